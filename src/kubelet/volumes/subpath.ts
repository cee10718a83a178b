import { mkdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'

async function resolved(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The path of `subPath` in a volume, with its symbolic links followed; a directory is made where nothing is. Throws when it
 * leads out of the volume, by `..` or through a link.
 */
export async function prepareSubPath(volumePath: string, subPath: string): Promise<string> {
  const clean = normalize(subPath)
  if (clean.startsWith('/') || clean === '..' || clean.startsWith('../')) throw new Error(`failed to prepare subPath: ${subPath} must stay inside the volume`)
  const root = await realpath(volumePath)
  const inside = (path: string): boolean => path === root || path.startsWith(`${root}/`)
  const target = join(root, clean)
  let existing = target
  let found = await resolved(existing)
  while (found === undefined) {
    existing = dirname(existing)
    found = await resolved(existing)
  }
  if (!inside(found)) throw new Error(`failed to prepare subPath: ${subPath} leads outside the volume`)
  if (existing === target) return found
  const mode = (await stat(root)).mode & 0o777
  const missing = join(found, target.slice(existing.length))
  await mkdir(missing, { recursive: true, mode })
  const made = await realpath(missing)
  if (!inside(made)) throw new Error(`failed to prepare subPath: ${subPath} leads outside the volume`)
  return made
}
