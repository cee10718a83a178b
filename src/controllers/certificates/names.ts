import { Name, SubjectAlternativeNameExtension, type JsonGeneralName } from '@peculiar/x509'

/** Attributes of a subject in the order in which Go writes them (`pkix.Name`); others get lost on the way. The last two have one value. */
const attributes = ['C', 'ST', 'L', '2.5.4.9', '2.5.4.17', 'O', 'OU', 'CN', '2.5.4.5'] as const
const single: ReadonlySet<string> = new Set(['CN', '2.5.4.5'])

/** Members of a set in DER come shortest first, then by their bytes (X.690, 11.6). */
function inSetOrder(a: string, b: string): number {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length - right.length || left.compare(right)
}

/** A request's subject as upstream's certificates name it: values of an attribute together, the attributes in Go's order. */
export function issuedSubject(requested: Name): Name {
  const values = new Map<string, string[]>()
  for (const part of requested.toJSON()) for (const [type, texts] of Object.entries(part)) values.set(type, [...(values.get(type) ?? []), ...texts])
  return new Name(attributes.flatMap((type) => {
    const texts = values.get(type) ?? []
    if (texts.length === 0) return []
    return [{ [type]: single.has(type) ? [texts.at(-1)!] : texts.toSorted(inSetOrder) }]
  }))
}

const kinds: readonly JsonGeneralName['type'][] = ['dns', 'email', 'ip', 'url']

/** A request's alternative names of the sorts that Go knows, sort by sort; undefined where there are none. */
export function issuedNames(requested: SubjectAlternativeNameExtension | undefined, isSubjectEmpty: boolean): SubjectAlternativeNameExtension | undefined {
  const given = requested?.names.toJSON() ?? []
  const names = kinds.flatMap((kind) => given.filter(({ type }) => type === kind))
  return names.length === 0 ? undefined : new SubjectAlternativeNameExtension(names, isSubjectEmpty)
}
