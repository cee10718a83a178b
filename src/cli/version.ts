/** What `k8ts --version` prints: the API level and our own number. */
export const version = 'v1.36.0-k8ts.0.1.0'
