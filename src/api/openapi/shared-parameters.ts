import type { Schema } from './schemas.ts'

/**
 * Parameters that many operations of a version 2 document have are told once, at its root, and referred to by a name that tells them apart: their
 * own and a hash of what they say (kube-openapi's `builder/parameters.go`).
 */

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch']
const ownDefinitions = '#/definitions/io.k8s.apimachinery'

/** What stays where it is: what is of one kind, and what older clients look for there. */
function isShared({ name, in: where, schema, $ref }: Schema): boolean {
  if ($ref !== undefined || name === 'name') return false
  if (where === 'query' && (name === 'fieldValidation' || name === 'dryRun')) return false
  return where !== 'body' || String((schema as Schema | undefined)?.$ref ?? '').startsWith(ownDefinitions)
}

/** FNV-1, 64 bits, of which the first 48 are shown. */
function hashOf(text: string): string {
  let hash = 0xcbf29ce484222325n
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, hash * 0x100000001b3n) ^ BigInt(byte)
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(hash)
  return bytes.subarray(0, 6).toString('base64url')
}

/** Goes through the path items and puts references in place of shared parameters; answers these by their names. */
export function shareParameters(paths: Readonly<Record<string, Schema>>): { paths: Record<string, Schema>; parameters: Record<string, Schema> } {
  const named = new Map<string, { name: string; parameter: Schema }>()
  const reference = (parameter: Schema): Schema => {
    if (!isShared(parameter)) return parameter
    const text = JSON.stringify(parameter)
    let known = named.get(text)
    if (known === undefined) named.set(text, (known = { name: `${String(parameter.name)}-${hashOf(text)}`, parameter }))
    return { $ref: `#/parameters/${known.name}` }
  }
  const withReferences = (holder: Schema): Schema => (Array.isArray(holder.parameters) ? { ...holder, parameters: (holder.parameters as Schema[]).map(reference) } : holder)
  const pathOf = (item: Schema): Schema => withReferences(Object.fromEntries(Object.entries(item).map(([key, value]) => [key, methods.includes(key) ? withReferences(value as Schema) : value])))
  const shared = Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, pathOf(item)]))
  const parameters = [...named.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, parameter }) => [name, parameter] as const)
  return { paths: shared, parameters: Object.fromEntries(parameters) }
}
