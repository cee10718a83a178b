/** One entry of an archive; parents must come before what lies in them. */
export type TarEntry =
  | { path: string; type: 'file'; content: Uint8Array; mode?: number }
  | { path: string; type: 'directory'; mode?: number }
  | { path: string; type: 'symlink'; target: string }

const blockBytes = 512

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`
}

/** The path split into ustar's name (100 bytes) and prefix (155 bytes) at a slash. */
function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' }
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)]
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100 && name !== '') return { name, prefix }
  }
  throw new Error(`the path ${path} is too long for an archive`)
}

const defaultMode: Record<TarEntry['type'], number> = { file: 0o644, directory: 0o755, symlink: 0o777 }
const typeFlag: Record<TarEntry['type'], string> = { file: '0', symlink: '2', directory: '5' }

function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(blockBytes)
  const { name, prefix } = splitPath(entry.type === 'directory' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path)
  const mode = entry.type === 'symlink' ? defaultMode.symlink : entry.mode ?? defaultMode[entry.type]
  block.write(name, 0)
  block.write(octal(mode, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(entry.type === 'file' ? entry.content.length : 0, 12), 124)
  // Time 0: the same content is the same archive, and so the same digest, whenever it is made.
  block.write(octal(0, 12), 136)
  block.write(' '.repeat(8), 148)
  block.write(typeFlag[entry.type], 156)
  if (entry.type === 'symlink') {
    if (Buffer.byteLength(entry.target) > 100) throw new Error(`the target ${entry.target} is too long for an archive`)
    block.write(entry.target, 157)
  }
  block.write('ustar\x0000', 257)
  block.write('root', 265)
  block.write('root', 297)
  block.write(prefix, 345)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** A tar archive (POSIX ustar) owned by root. */
export function tarArchive(entries: readonly TarEntry[]): Buffer {
  const parts: Uint8Array[] = []
  for (const entry of entries) {
    parts.push(header(entry))
    if (entry.type !== 'file') continue
    parts.push(entry.content)
    const rest = entry.content.length % blockBytes
    if (rest > 0) parts.push(Buffer.alloc(blockBytes - rest))
  }
  parts.push(Buffer.alloc(2 * blockBytes))
  return Buffer.concat(parts)
}
