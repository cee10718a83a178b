/** `intstr.IntOrString`: a number, or a percentage of something. */
export type IntOrString = number | string

/**
 * The number itself, or `value` percent of `total`. Throws for a text that is no percentage
 * (`intstr.GetScaledValueFromIntOrPercent`).
 */
export function scaledIntOrPercent(value: IntOrString, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value
  if (!value.endsWith('%')) throw new Error('invalid value for IntOrString: invalid type: string is not a percentage')
  const digits = value.slice(0, -1)
  if (!/^[+-]?\d+$/.test(digits)) throw new Error(`invalid value for IntOrString: invalid value ${JSON.stringify(value)}: strconv.Atoi: parsing ${JSON.stringify(digits)}: invalid syntax`)
  const scaled = (Number(digits) * total) / 100
  return round === 'up' ? Math.ceil(scaled) : Math.floor(scaled)
}

export function isPercent(value: IntOrString): boolean {
  return typeof value === 'string' && /^[0-9]+%$/.test(value)
}
