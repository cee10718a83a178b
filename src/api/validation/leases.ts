import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { configMapKeyErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { Lease } from '../types/coordination.k8s.io_v1.ts'
import type { LeaseCandidate } from '../types/coordination.k8s.io_v1beta1.ts'
import { addInvalid, isEmpty } from './check.ts'
import { validateImmutable } from './object-meta.ts'
import type { NameRule } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** Leases and those who stand for them (KEP-4355). */

const oldestEmulation = 'OldestEmulationVersion'

function checkStrategy(out: FieldError[], path: string, strategy: string): void {
  // Upstream adds its own name to the path once more.
  if (strategy.includes('/')) addInvalid(out, `${path}.strategy`, strategy, qualifiedNameErrors(strategy))
  else if (strategy !== oldestEmulation) out.push(fieldErrors.notSupported(`${path}.strategy`, strategy, [oldestEmulation]))
}

function validateLease(object: Readonly<OpenObject>): FieldError[] {
  const { spec } = object as unknown as Lease
  const out: FieldError[] = []
  if (spec === undefined) return out
  if (spec.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0) out.push(fieldErrors.invalid('spec.leaseDurationSeconds', spec.leaseDurationSeconds, 'must be greater than 0'))
  if (spec.leaseTransitions !== undefined && spec.leaseTransitions < 0) out.push(fieldErrors.invalid('spec.leaseTransitions', spec.leaseTransitions, 'must be greater than or equal to 0'))
  if (spec.strategy !== undefined) checkStrategy(out, 'spec.strategy', spec.strategy)
  if (!isEmpty(spec.preferredHolder) && isEmpty(spec.strategy)) out.push(fieldErrors.forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined'))
  return out
}

export const leaseValidation: Validation = { validate: validateLease, validateUpdate: validateLease }

export const leaseCandidateName: NameRule = (name) => configMapKeyErrors(name)

const semanticVersion = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/

/** Numbers of a version; what stands behind a dash makes it less than the version itself. */
function versionParts(text: string): number[] | undefined {
  const parts = semanticVersion.exec(text)
  return parts === null ? undefined : [Number(parts[1]), Number(parts[2]), Number(parts[3]), parts[4] === undefined ? 1 : 0]
}

/** What a version that cannot be read counts as. */
const noVersion: readonly number[] = [0, 0, 0, 1]

function isLess(a: readonly number[], b: readonly number[]): boolean {
  const first = a.findIndex((part, i) => part !== b[i])
  return first >= 0 && (a[first] as number) < (b[first] as number)
}

function validateCandidate(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { leaseName, binaryVersion, emulationVersion, strategy } = (object as unknown as LeaseCandidate).spec ?? {}
  if (isEmpty(leaseName)) out.push(fieldErrors.required('spec.leaseName'))
  const emulated = isEmpty(emulationVersion) ? undefined : versionParts(emulationVersion)
  if (!isEmpty(emulationVersion) && emulated === undefined) out.push(fieldErrors.invalid('spec.emulationVersion', emulationVersion, 'must be a valid semantic version'))
  const binary = isEmpty(binaryVersion) ? undefined : versionParts(binaryVersion)
  if (isEmpty(binaryVersion)) out.push(fieldErrors.required('spec.binaryVersion'))
  else if (binary === undefined) out.push(fieldErrors.invalid('spec.binaryVersion', binaryVersion, 'must be a valid semantic version'))
  if (!isEmpty(binaryVersion) && !isEmpty(emulationVersion) && isLess(binary ?? noVersion, emulated ?? noVersion)) out.push(fieldErrors.invalid('spec.binaryVersion', binaryVersion, 'must be greater than or equal to `emulationVersion`'))
  if (isEmpty(strategy)) out.push(fieldErrors.required('spec.strategy'))
  else {
    if (strategy === oldestEmulation && emulated === undefined) out.push(fieldErrors.required('spec.emulationVersion', `must be specified when \`strategy\` is '${oldestEmulation}'`))
    checkStrategy(out, 'spec.strategy', strategy)
  }
  return out
}

export const leaseCandidateValidation: Validation = {
  validate: validateCandidate,
  validateUpdate: (object, old) =>
    [...validateCandidate(object), ...validateImmutable((object as unknown as LeaseCandidate).spec?.leaseName, (old as unknown as LeaseCandidate).spec?.leaseName, 'spec.leaseName')],
}
