import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fingerprintOf } from './type-table.ts'

/** Descriptions of types and fields, read on first use a group version: only OpenAPI and tables need them. */
type FileDocs = Record<string, Record<string, string>>

const docsDir = join(import.meta.dirname, 'schema-docs')
const files = new Map<string, FileDocs>()

function fileDocs(groupVersion: string): FileDocs {
  let docs = files.get(groupVersion)
  if (docs === undefined) {
    const name = `${(groupVersion.includes('/') ? groupVersion : `core/${groupVersion}`).replace('/', '_')}.json`
    try {
      docs = JSON.parse(readFileSync(join(docsDir, name), 'utf8')) as FileDocs
    } catch (error) {
      // Not every group version is documented: those that are served are.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new Error(`descriptions of ${groupVersion} are unreadable`, { cause: error })
      docs = {}
    }
    files.set(groupVersion, docs)
  }
  return docs
}

/** What upstream says of a type (`v1.Pod`) or of one of its fields; '' where it says nothing. */
export function docOf(typeId: string, field = ''): string {
  const dot = typeId.lastIndexOf('.')
  const docs = fileDocs(typeId.slice(0, dot))
  const name = typeId.slice(dot + 1)
  const type = Object.hasOwn(docs, name) ? docs[name] : undefined
  return type !== undefined && Object.hasOwn(type, field) ? (type[field] as string) : ''
}

let fingerprint: string | undefined

/** Hash of all descriptions as they are on disk. */
export function docsFingerprint(): string {
  return (fingerprint ??= fingerprintOf(docsDir))
}
