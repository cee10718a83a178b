import { chmod, chown, mkdir, mkdtemp, readFile, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A file of a volume: its content, its permission bits and, where not root, its owner. */
export interface VolumeFile { content: Uint8Array; mode: number; uid?: number }
export type VolumeFiles = ReadonlyMap<string, VolumeFile>

const dataLink = '..data'

async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function paths(directory: string, prefix = ''): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(join(directory, prefix), { withFileTypes: true })) {
    const path = join(prefix, entry.name)
    if (entry.isDirectory()) found.push(...await paths(directory, path))
    else found.push(path)
  }
  return found
}

async function isCurrent(directory: string, files: VolumeFiles): Promise<boolean> {
  const existing = await paths(directory)
  if (existing.length !== files.size) return false
  for (const [path, file] of files) {
    const content = await read(join(directory, path))
    if (content === undefined || !content.equals(file.content)) return false
  }
  return true
}

/**
 * Puts files into a volume so that a reader sees all old or all new ones (upstream `pkg/volume/util/atomic_writer.go`).
 * Worked example, for the files `a` and `d/b`:
 *   ..2026_01_01_00_00_00.k3x/{a,d/b}   the content
 *   ..data -> ..2026_01_01_00_00_00.k3x swapped by one rename
 *   a -> ..data/a,  d -> ..data/d       what the user sees
 * `adjust` may change owners and modes of the new directory before it shows. True when anything changed.
 */
export async function writeAtomically(directory: string, files: VolumeFiles, stamp: string, adjust?: (path: string) => Promise<void>): Promise<boolean> {
  const old = await linkTarget(join(directory, dataLink))
  if (old !== undefined && await isCurrent(join(directory, old), files)) return false
  const fresh = await mkdtemp(join(directory, `..${stamp}.`))
  await chmod(fresh, 0o755)
  for (const [path, file] of files) {
    const target = join(fresh, path)
    await mkdir(dirname(target), { recursive: true, mode: 0o755 })
    await writeFile(target, file.content, { mode: file.mode })
    // The umask does not apply to what the user asked for.
    await chmod(target, file.mode)
    if (file.uid !== undefined) await chown(target, file.uid, -1)
  }
  await adjust?.(fresh)
  const name = fresh.slice(directory.length + 1)
  const swap = join(directory, '..data_tmp')
  await rm(swap, { force: true })
  await symlink(name, swap)
  await rename(swap, join(directory, dataLink))
  const visible = new Set([...files.keys()].map((path) => path.split('/')[0]!))
  for (const entry of await readdir(directory)) {
    if (entry.startsWith('..')) continue
    if (!visible.has(entry)) await rm(join(directory, entry), { force: true })
  }
  for (const entry of visible) {
    if (await linkTarget(join(directory, entry)) === undefined) await symlink(join(dataLink, entry), join(directory, entry))
  }
  if (old !== undefined) await rm(join(directory, old), { recursive: true, force: true })
  return true
}
