import { fieldErrors, type FieldError } from '../../../machinery/field-error.ts'
import type { Labels } from '../../../machinery/labels.ts'

/** Pod Security Standards: levels, versions and the labels by which namespaces choose them (KEP-2579). */

export const levels = ['privileged', 'baseline', 'restricted'] as const
export type Level = (typeof levels)[number]

/** `minor` of `v1.minor`; Infinity for `latest`. */
export interface LevelVersion { level: Level; minor: number }

export const modes = ['enforce', 'audit', 'warn'] as const
export type Mode = (typeof modes)[number]
export type Policy = Readonly<Record<Mode, LevelVersion>>

export const labelPrefix = 'pod-security.kubernetes.io/'
const labelNames = modes.flatMap((mode) => [`${labelPrefix}${mode}`, `${labelPrefix}${mode}-version`])
export const privileged: LevelVersion = { level: 'privileged', minor: Infinity }
export const allPrivileged: Policy = { enforce: privileged, audit: privileged, warn: privileged }

/** `restricted:latest`, `baseline:v1.24`. */
export function levelVersionText({ level, minor }: LevelVersion): string {
  return `${level}:${minor === Infinity ? 'latest' : `v1.${minor}`}`
}

export function parseLevel(text: string): Level | undefined {
  return levels.find((level) => level === text)
}

export function parseVersion(text: string): number | undefined {
  if (text === 'latest') return Infinity
  return /^v1\.(\d|[1-9]\d*)$/.test(text) ? Number(text.slice(3)) : undefined
}

export const levelProblem = `must be one of ${levels.join(', ')}`
export const versionProblem = 'must be "latest" or "v1.x"'

export function samePolicy(a: LevelVersion, b: LevelVersion): boolean {
  return (a.level === 'privileged' && b.level === 'privileged') || (a.level === b.level && a.minor === b.minor)
}

export function isStricter(a: Level, b: Level): boolean {
  return levels.indexOf(a) > levels.indexOf(b)
}

/**
 * What a namespace's labels say, over the defaults. There always is a policy: what can't be understood is enforced as strictly as
 * can be, and neither audited nor warned of.
 */
export function policyOf(labels: Labels, defaults: Policy): { policy: Policy; problems: FieldError[] } {
  if (labels === undefined || !labelNames.some((name) => labels[name] !== undefined)) return { policy: defaults, problems: [] }
  const problems: FieldError[] = []
  const policy = { enforce: { ...defaults.enforce }, audit: { ...defaults.audit }, warn: { ...defaults.warn } }
  const note = (label: string, text: string, problem: string): void => void problems.push(fieldErrors.invalid(`metadata.labels[${label}]`, text, problem))
  let enforces = false
  for (const mode of modes) {
    const levelText = labels[`${labelPrefix}${mode}`]
    const versionText = labels[`${labelPrefix}${mode}-version`]
    if (levelText !== undefined) {
      const level = parseLevel(levelText)
      if (level === undefined) note(`${labelPrefix}${mode}`, levelText, levelProblem)
      else if (mode === 'enforce') enforces = true
      policy[mode].level = level ?? (mode === 'enforce' ? 'restricted' : 'privileged')
    }
    if (versionText === undefined) continue
    const minor = parseVersion(versionText)
    if (minor === undefined) note(`${labelPrefix}${mode}-version`, versionText, versionProblem)
    policy[mode].minor = minor ?? Infinity
  }
  // Whoever sees pods refused is warned of the workloads that would make them.
  if (enforces && labels[`${labelPrefix}warn`] === undefined && isStricter(policy.enforce.level, policy.warn.level)) {
    policy.warn.level = policy.enforce.level
    if (labels[`${labelPrefix}warn-version`] === undefined) policy.warn.minor = policy.enforce.minor
  }
  return { policy, problems }
}
