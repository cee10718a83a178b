/** Something that must be loaded before it can answer. A load that fails is tried again by the next who waits. */
export interface Readiness {
  readonly isReady: boolean
  wait(): Promise<void>
}

export function readiness(load: () => Promise<void>): Readiness {
  let isReady = false
  let loading: Promise<void> | undefined
  const wait = (): Promise<void> => {
    loading ??= load().then(() => {
      isReady = true
    }).catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }
  return { wait, get isReady() { return isReady } }
}
