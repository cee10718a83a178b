import type { Taint, Toleration } from './types/core_v1.ts'

/** Whether `toleration` tolerates `taint` (core/v1 Toleration: empty key with Exists matches all, empty effect matches all effects). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if ((toleration.effect ?? '') !== '' && toleration.effect !== taint.effect) return false
  if ((toleration.key ?? '') !== '' && toleration.key !== taint.key) return false
  switch (toleration.operator ?? '') {
    case '':
    case 'Equal':
      return (toleration.key ?? '') !== '' && (toleration.value ?? '') === (taint.value ?? '')
    case 'Exists':
      return true
    case 'Lt':
    case 'Gt': {
      const [wanted, actual] = [Number(toleration.value), Number(taint.value)]
      if (!Number.isInteger(wanted) || !Number.isInteger(actual)) return false
      return toleration.operator === 'Lt' ? actual < wanted : actual > wanted
    }
    default:
      return false
  }
}

/** The first of `taints` with one of `effects` that no toleration tolerates. */
export function untoleratedTaint(taints: readonly Taint[] | undefined, tolerations: readonly Toleration[] | undefined, effects: readonly string[]): Taint | undefined {
  return taints?.find((taint) => effects.includes(taint.effect) && !(tolerations ?? []).some((toleration) => tolerates(toleration, taint)))
}
