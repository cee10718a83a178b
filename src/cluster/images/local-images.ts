import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runtime } from '../../runtime/runtime.ts'
import { pauseImage } from '../machine/machine.ts'
import { buildImage, type ImageSpec } from './build-image.ts'
import type { TarEntry } from './tar.ts'

/** A web server that tells which pod answers. Its tag is no `latest`, so that a kubelet takes the image that is there. */
export const demoImage = 'k8ts.local/demo:v1' as const

/** Archives of the images made on the spot from Debian's packages, by image name. */
export type LocalImages = Readonly<Record<typeof pauseImage | typeof demoImage, string>>

const catatonit = '/usr/bin/catatonit'
const busyboxPaths = ['/bin/busybox', '/usr/bin/busybox']

/** Catatonit in pause mode: it sleeps, reaps children, and ends on SIGTERM or SIGINT. */
export function pauseImageSpec(program: Uint8Array): ImageSpec {
  return { name: pauseImage, files: [{ path: 'pause', type: 'file', content: program, mode: 0o755 }], entrypoint: ['/pause', '-P'], user: '65535:65535' }
}

/** What the demo answers: a page for browsers, a line for anything else. */
const page = `#!/bin/sh
address=$(ip -4 -o addr show dev eth0 2>/dev/null | awk '{ sub("/.*", "", $4); print $4; exit }')
[ -n "$address" ] || address=$(hostname -i 2>/dev/null || echo unknown)
case "$HTTP_ACCEPT" in
*text/html*)
  printf 'Content-Type: text/html; charset=utf-8\\r\\nCache-Control: no-store\\r\\n\\r\\n'
  cat <<END
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>k8ts demo</title><style>
body { font: 1.1rem/1.6 system-ui, sans-serif; margin: 15vh auto 0; max-width: 34rem; padding: 0 1rem; color: #1b2733; background: #f5f8fc }
h1 { font-size: 1.6rem } dt { color: #5b6b7b; float: left; width: 7rem } dd { margin: 0 0 0 7rem; font-family: ui-monospace, monospace }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #10161d } dt { color: #93a4b5 } }
</style></head><body>
<h1>It works.</h1><p>This page comes from a pod of your own cluster. Load it again: another pod may answer.</p>
<dl><dt>Pod</dt><dd>$(hostname)</dd><dt>Address</dt><dd>$address</dd><dt>Node</dt><dd>\${NODE_NAME:-(not told)}</dd><dt>You are</dt><dd>$REMOTE_ADDR</dd></dl>
</body></html>
END
  ;;
*)
  printf 'Content-Type: text/plain\\r\\nCache-Control: no-store\\r\\n\\r\\n'
  printf 'Hello from %s (%s)%s\\n' "$(hostname)" "$address" "\${NODE_NAME:+ on $NODE_NAME}"
  ;;
esac
`

/** Busybox with all its commands, an init that ends at once when asked to, and a web server on port 80. */
export function demoImageSpec(busybox: Uint8Array, init: Uint8Array, applets: readonly string[]): ImageSpec {
  const directories = ['bin', 'etc', 'home', 'root', 'tmp', 'usr', 'usr/bin', 'var', 'var/www', 'var/www/cgi-bin']
  const text = (path: string, content: string, mode?: number): TarEntry => ({ path, type: 'file', content: Buffer.from(content), ...(mode === undefined ? {} : { mode }) })
  return {
    name: demoImage,
    files: [
      ...directories.map((path): TarEntry => ({ path, type: 'directory', ...(path === 'tmp' ? { mode: 0o1777 } : {}) })),
      { path: 'bin/busybox', type: 'file', content: busybox, mode: 0o755 },
      { path: 'bin/catatonit', type: 'file', content: init, mode: 0o755 },
      ...applets.filter((name) => name !== 'busybox' && /^[a-z0-9[_-]+$/i.test(name)).map((name): TarEntry => ({ path: `bin/${name}`, type: 'symlink', target: 'busybox' })),
      text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'),
      text('etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
      text('var/www/cgi-bin/index.cgi', page, 0o755),
    ],
    // httpd alone would ignore SIGTERM, being process 1, and every deleted pod would take its whole grace period.
    entrypoint: ['/bin/catatonit', '--', '/bin/httpd', '-f', '-p', '80', '-h', '/var/www'],
    exposedPorts: ['80/tcp'],
  }
}

async function firstFile(paths: readonly string[], debianPackage: string): Promise<{ path: string; content: Buffer }> {
  for (const path of paths) {
    const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (content !== undefined) return { path, content }
  }
  throw new Error(`${paths[0]} is missing: install the Debian package ${debianPackage}`)
}

async function newerThan(file: string, sources: readonly string[]): Promise<boolean> {
  const made = await stat(file).catch(() => undefined)
  if (made === undefined) return false
  const times = await Promise.all(sources.map(async (source) => (await stat(source)).ctimeMs))
  return times.every((timeMs) => timeMs < made.mtimeMs)
}

async function writeWhole(file: string, content: Uint8Array): Promise<void> {
  await writeFile(`${file}.new`, content)
  await rename(`${file}.new`, file)
}

/** Archives of the pause and the demo image in `directory`; made anew only when the programs they hold, or this code, have changed. */
export async function ensureLocalImages(runtime: Runtime, directory: string): Promise<LocalImages> {
  await mkdir(directory, { recursive: true })
  const images: LocalImages = { [pauseImage]: join(directory, 'pause.tar'), [demoImage]: join(directory, 'demo.tar') }
  const here = import.meta.filename
  const present = await Promise.all(Object.values(images).map((file) => newerThan(file, [here, catatonit])))
  if (present.every(Boolean)) return images
  const init = await firstFile([catatonit], 'catatonit')
  const busybox = await firstFile(busyboxPaths, 'busybox-static')
  const applets = (await runtime.processes.run(busybox.path, ['--list'])).stdout.split('\n').filter((line) => line !== '')
  await writeWhole(images[pauseImage], buildImage(pauseImageSpec(init.content)))
  await writeWhole(images[demoImage], buildImage(demoImageSpec(busybox.content, init.content, applets)))
  return images
}
