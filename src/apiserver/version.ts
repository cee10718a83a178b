import type { Endpoints } from './endpoints.ts'

/** What /version says: the level of the API, in the form of apimachinery's `version.Info`. */
export const serverVersion = {
  major: '1', minor: '36', emulationMajor: '1', emulationMinor: '36', minCompatibilityMajor: '1', minCompatibilityMinor: '35',
  // As upstream's: `git archive` fills in the commit (.gitattributes).
  gitVersion: 'v1.36.0+k8ts', gitCommit: '$Format:%H$', gitTreeState: '', buildDate: '2026-01-01T00:00:00Z',
  goVersion: `node${process.versions.node}`, compiler: 'node', platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
} as const

export function addVersionEndpoint(endpoints: Endpoints): void {
  const body = Buffer.from(`${JSON.stringify(serverVersion, null, 2)}`)
  endpoints.addRoute('/version', () => ({ status: 200, headers: { 'content-type': 'application/json' }, bytes: body }), ['application/json'])
}
