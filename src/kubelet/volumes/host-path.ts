import { mkdir, stat, writeFile } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import type { HostPathVolumeSource } from '../../api/types/core_v1.ts'

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const checks: Record<string, { is: (stats: Stats) => boolean; text: string }> = {
  Directory: { is: (stats) => stats.isDirectory(), text: 'a directory' },
  File: { is: (stats) => stats.isFile(), text: 'a file' },
  Socket: { is: (stats) => stats.isSocket(), text: 'a socket file' },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), text: 'a character device' },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), text: 'a block device' },
}

/** Checks (and for the OrCreate types makes) the path of a hostPath volume. Throws with upstream's texts. */
export async function prepareHostPath({ path, type = '' }: HostPathVolumeSource): Promise<string> {
  if (type === '') return path
  const found = await statOf(path)
  if (found === undefined && type === 'DirectoryOrCreate') {
    await mkdir(path, { recursive: true, mode: 0o755 })
    return path
  }
  if (found === undefined && type === 'FileOrCreate') {
    await writeFile(path, '', { mode: 0o644, flag: 'a' })
    return path
  }
  const check = checks[type.replace('OrCreate', '')]
  if (check === undefined) throw new Error(`hostPath type check failed: ${type} is an invalid volume type`)
  if (found === undefined || !check.is(found)) throw new Error(`hostPath type check failed: ${path} is not ${check.text}`)
  return path
}
