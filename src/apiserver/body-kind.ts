import { typeForKind } from '../api/type-table.ts'
import { fieldErrorCause, fieldErrors } from '../machinery/field-error.ts'
import { errors, type StatusError } from '../machinery/status.ts'
import type { BodyKind } from './subresources.ts'

/**
 * Bodies that say they are of another kind or version than what is written here: what upstream answers, which reads every
 * kind of its scheme first and converts it then. Runs for refusals only.
 */

export function versionText(kind: { group: string; version: string }): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`
}

/** Where upstream's schemes are made, which their errors name. */
function schemeOf(group: string): string {
  if (group === 'apiregistration.k8s.io') return 'pkg/apiserver/scheme/scheme.go:28'
  return group === 'apiextensions.k8s.io' ? 'pkg/apiserver/apiserver.go:55' : 'pkg/api/legacyscheme/scheme.go:30'
}

/** The Go package that holds the internal form of a group's kinds. */
function internalPackage(group: string): string {
  if (group === '' || group === 'events.k8s.io') return 'core'
  return group === 'internal.apiserver.k8s.io' ? 'apiserverinternal' : group.slice(0, Math.max(group.indexOf('.'), 0)) || group
}

/** Kinds that every version of upstream's schemes has. */
const everywhere = new Set(['Status', 'DeleteOptions', 'CreateOptions', 'UpdateOptions', 'PatchOptions', 'GetOptions', 'ListOptions', 'WatchEvent'])

function isRegistered(apiVersion: string, kind: string): boolean {
  if (everywhere.has(kind) || (apiVersion === 'v1' && kind === 'List')) return true
  return typeForKind(apiVersion, kind) !== undefined
}

export interface GivenKind { apiVersion: string; kind: string }

/**
 * Why a body of `given` is not taken where `expected` is; undefined where it is. What `given` leaves out is `expected`'s.
 * `text` begins with the body, as errors show it.
 */
export function wrongKind(given: GivenKind, expected: BodyKind, isCustom: boolean, body: { text: string; summary: string; name: string }): StatusError | undefined {
  const unrecognized = (problem: string): StatusError => errors.badRequest(`the object provided is unrecognized (must be of type ${expected.kind}): ${problem} (${body.summary})`)
  const { apiVersion } = given
  if (apiVersion.split('/').length > 2) return unrecognized(`unexpected GroupVersion string: ${apiVersion}`)
  const wanted = versionText(expected)
  const otherVersion = (): StatusError => errors.badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`)
  if (isCustom) {
    if (given.kind === '') return unrecognized(`Object 'Kind' is missing in '${body.text}'`)
    if (apiVersion !== wanted) return otherVersion()
    if (given.kind === expected.kind) return undefined
    return errors.invalid({ group: expected.group, kind: given.kind }, body.name, [fieldErrorCause(fieldErrors.invalid('kind', given.kind, `must be ${expected.kind}`))])
  }
  const problem = kindProblem(given, expected)
  if (problem === undefined) return undefined
  if (problem === 'other version') return apiVersion === expected.alsoTaken ? undefined : otherVersion()
  const { kind, version } = completed(given, expected)
  return errors.badRequest(`${kind} in version ${JSON.stringify(version.slice(version.indexOf('/') + 1))} cannot be handled as a ${expected.kind}: ${problem}`)
}

/** With what is left out filled from what is expected. */
export function completed({ apiVersion, kind }: GivenKind, expected: BodyKind): { kind: string; version: string } {
  const isOpen = apiVersion === '' || apiVersion === '/' || apiVersion === `${expected.group}/`
  // `/v1` is a version of the group without a name.
  return { kind: kind === '' ? expected.kind : kind, version: isOpen ? versionText(expected) : apiVersion.replace(/^\/(?=[^/]+$)/, '') }
}

/** Why a built-in kind cannot be made into the expected one, as upstream's scheme puts it; `other version` where it can, but is of another version. */
export function kindProblem(given: GivenKind, expected: BodyKind): string | undefined {
  const { kind, version } = completed(given, expected)
  if (kind === expected.kind && version === versionText(expected)) return undefined
  const slash = version.indexOf('/')
  const group = slash < 0 ? '' : version.slice(0, slash)
  if (!isRegistered(version, kind)) return `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(slash === 0 ? version.slice(1) : version)} in scheme "${schemeOf(expected.group)}"`
  // What moved out of `extensions` is converted still.
  const isSameInside = internalPackage(group) === internalPackage(expected.group) || (group === 'extensions' && /^(apps|networking\.k8s\.io)$/.test(expected.group))
  if (kind === expected.kind && isSameInside) return 'other version'
  return `converting (${version.slice(slash + 1)}.${kind}) to (${internalPackage(expected.group)}.${expected.kind}): unknown conversion`
}
