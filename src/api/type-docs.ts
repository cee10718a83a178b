import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fingerprintOf } from './type-table.ts'

/** Descriptions of types and fields, read on first use a group version: only OpenAPI and tables need them. */
type FileDocs = Record<string, Record<string, string>>

const docsDir = join(import.meta.dirname, 'schema-docs')
const files = new Map<string, FileDocs>()

function fileDocs(groupVersion: string): FileDocs {
  return docsIn(`${(groupVersion.includes('/') ? groupVersion : `core/${groupVersion}`).replace('/', '_')}.json`)
}

function docsIn(name: string): FileDocs {
  let docs = files.get(name)
  if (docs === undefined) {
    try {
      docs = JSON.parse(readFileSync(join(docsDir, name), 'utf8')) as FileDocs
    } catch (error) {
      // Not every group version is documented: those that are served are.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new Error(`descriptions in ${name} are unreadable`, { cause: error })
      docs = {}
    }
    files.set(name, docs)
  }
  return docs
}

/** What upstream says of a type (`v1.Pod`) or of one of its fields; '' where it says nothing. */
export function docOf(typeId: string, field = ''): string {
  const dot = typeId.lastIndexOf('.')
  return docFrom(fileDocs(typeId.slice(0, dot)), typeId.slice(dot + 1), field)
}

function docFrom(docs: FileDocs, name: string, field: string): string {
  const type = Object.hasOwn(docs, name) ? docs[name] : undefined
  return type !== undefined && Object.hasOwn(type, field) ? (type[field] as string) : ''
}

/** As `docOf`, without the list of the values that OpenAPI adds to fields that have some to choose from. */
export function shortDocOf(typeId: string, field: string): string {
  return docOf(typeId, field).replace(/\n\nPossible enum values:\n[^]*$/, '')
}

/** What upstream says of a parameter of requests with these options (`ListOptions`, `PodExecOptions`; '' for those that all have). */
export function parameterDoc(options: string, name: string): string {
  return docFrom(docsIn('parameters.json'), options, name)
}

/** What upstream says of a definition that is no type of the tables, by its full name. */
export function definitionDoc(definition: string, field = ''): string {
  return docFrom(docsIn('others.json'), definition, field)
}

let fingerprint: string | undefined

/** Hash of all descriptions as they are on disk. */
export function docsFingerprint(): string {
  return (fingerprint ??= fingerprintOf(docsDir))
}
