/**
 * Replaces `$(NAME)` by what `lookup` answers; `$$` is a dollar sign, so `$$(NAME)` stays `$(NAME)`. What `lookup` does not
 * know stays as it is written (upstream `third_party/forked/golang/expansion`).
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  if (!text.includes('$')) return text
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name?: string) => (name === undefined ? '$' : (lookup(name) ?? whole)))
}

/** As `expand`, but throws on a name that `lookup` does not know. */
export function expandStrictly(text: string, lookup: (name: string) => string | undefined): string {
  return expand(text, (name) => {
    const value = lookup(name)
    if (value === undefined) throw new Error(`missing value for "${name}"`)
    return value
  })
}
