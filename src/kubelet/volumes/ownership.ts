import { chmod, chown, lchown, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Gives a volume to the pod's fsGroup: group owner, group bits, setgid directories (upstream `pkg/volume/volume_linux.go`). */
export async function giveToGroup(path: string, fsGroup: number, readOnly: boolean): Promise<void> {
  const stat = await lstat(path)
  if (stat.isSymbolicLink()) return lchown(path, stat.uid, fsGroup)
  await chown(path, stat.uid, fsGroup)
  const mask = readOnly ? 0o440 : 0o660
  await chmod(path, (stat.mode & 0o7777) | mask | (stat.isDirectory() ? 0o2110 : 0))
  if (!stat.isDirectory()) return
  for (const name of await readdir(path)) await giveToGroup(join(path, name), fsGroup, readOnly)
}

/** Whether the volume's root already belongs to the group, for fsGroupChangePolicy OnRootMismatch. */
export async function rootBelongsToGroup(path: string, fsGroup: number): Promise<boolean> {
  const stat = await lstat(path)
  return stat.gid === fsGroup && (stat.mode & 0o2770) === 0o2770
}
