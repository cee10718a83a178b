/**
 * Writes `src/api/types/*.ts` from the type tables in `src/api/schema/*.json`.
 * Run with `npm run generate` after changing a table; a test fails when the two disagree.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Field { name?: string; inline?: boolean; type: string; omitempty?: boolean; pointer?: boolean; removed?: string }
interface TypeInfo { removed?: string; object?: boolean; fields: Field[]; lifecycle?: { removed?: string } }
interface SchemaFile { groupVersion: string; removed?: string; types: Record<string, TypeInfo> }

const scalars: Record<string, string> = {
  string: 'string', bool: 'boolean', int32: 'number', int64: 'number', float64: 'number', bytes: 'string',
  time: 'string', microTime: 'string', duration: 'string', quantity: 'string', intOrString: 'number | string',
  raw: 'Record<string, unknown>', json: 'unknown', fieldsV1: 'Record<string, unknown>',
}

/** The file that holds the types of a group and version: `apps/v1` -> `apps_v1`, the core group -> `core_v1`. */
export function fileOf(groupVersion: string): string {
  return (groupVersion.includes('/') ? groupVersion : `core/${groupVersion}`).replace('/', '_')
}

function typeText(type: string, own: string, uses: Map<string, Set<string>>): string {
  if (type.startsWith('[]')) {
    const item = typeText(type.slice(2), own, uses)
    return item.includes('|') ? `Array<${item}>` : `${item}[]`
  }
  if (type.startsWith('map[string]')) return `Record<string, ${typeText(type.slice(11), own, uses)}>`
  const scalar = scalars[type]
  if (scalar !== undefined) return scalar
  const dot = type.lastIndexOf('.')
  const gv = type.slice(0, dot)
  const name = type.slice(dot + 1)
  if (name.startsWith('JSONSchemaPropsOr')) return 'unknown'
  if (gv === own) return name
  if (name === 'UserInfo') return `import('./${fileOf(gv)}.ts').UserInfo`
  uses.set(gv, (uses.get(gv) ?? new Set()).add(name))
  return name
}

/** `metadata` and `spec` are always there on the wire; `status` is what the owner of the object has not written yet. */
function isRequired(field: Field): boolean {
  if (field.name === 'metadata' || field.name === 'spec') return field.pointer !== true
  return field.omitempty !== true && field.pointer !== true
}

/** The TypeScript text for one schema file. */
export function generateTypes(file: SchemaFile): string {
  const uses = new Map<string, Set<string>>()
  const body: string[] = []
  const fieldLines = (info: TypeInfo, file: SchemaFile): string[] => info.fields.flatMap((field) => {
    if (field.name === undefined || field.removed !== undefined) return []
    return [`  ${/^[A-Za-z_$][\w$]*$/.test(field.name) ? field.name : `'${field.name}'`}${isRequired(field) ? '' : '?'}: ${typeText(field.type, file.groupVersion, uses)}`]
  })
  for (const [name, info] of Object.entries(file.types)) {
    if (name.startsWith('JSONSchemaPropsOr') || name === 'JSON' || info.removed !== undefined) continue
    const bases = info.fields.filter((f) => f.inline === true).map((f) => typeText(f.type, file.groupVersion, uses))
    body.push(`export interface ${name}${bases.length > 0 ? ` extends ${bases.join(', ')}` : ''} {`)
    if (info.object === true) body.push('  apiVersion?: string', '  kind?: string')
    body.push(...fieldLines(info, file), '}', '')
  }
  const imports = [...uses].sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([gv, names]) => `import type { ${[...names].sort().join(', ')} } from './${fileOf(gv)}.ts'`)
  return ['// Generated from src/api/schema by `npm run generate`.', ...imports, '', ...body].join('\n')
}

/** Every generated file by name, without writing anything. */
export function generateAll(schemaDir: string): Map<string, string> {
  const out = new Map<string, string>()
  for (const entry of readdirSync(schemaDir).filter((f) => f.endsWith('.json') && f !== 'docs.json').sort()) {
    const file = JSON.parse(readFileSync(join(schemaDir, entry), 'utf8')) as SchemaFile
    if (file.removed === undefined) out.set(`${fileOf(file.groupVersion)}.ts`, generateTypes(file))
  }
  return out
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  const target = join(root, 'src/api/types')
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  for (const [name, text] of generateAll(join(root, 'src/api/schema'))) writeFileSync(join(target, name), text)
}
