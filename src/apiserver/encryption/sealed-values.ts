/** Marks of values that lie in the store encrypted, by the plain values that were made of them: what key they are under. */
const marks = new WeakMap<Uint8Array, string>()
let isUsed = false

export function noteSealed(value: Uint8Array, mark: string): void {
  if (mark === '') return
  isUsed = true
  marks.set(value, mark)
}

/** '' for what lies in the store as it is. */
export function sealedBy(value: Uint8Array): string {
  return isUsed ? (marks.get(value) ?? '') : ''
}
