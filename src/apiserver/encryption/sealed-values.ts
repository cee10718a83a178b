/** Marks of values that lie in the store encrypted, by the plain values that were made of them: what key they are under. */
const marks = new WeakMap<Uint8Array, string>()

export function noteSealed(value: Uint8Array, mark: string): void {
  if (mark !== '') marks.set(value, mark)
}

/** '' for what lies in the store as it is. */
export function sealedBy(value: Uint8Array): string {
  return marks.get(value) ?? ''
}
