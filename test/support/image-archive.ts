import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

interface ArchiveFile { path: string; content?: Uint8Array; linkTarget?: string; directory?: boolean; mode?: number }

function tarEntry(file: ArchiveFile): Buffer {
  const content = file.content ?? new Uint8Array(0)
  const header = Buffer.alloc(512)
  header.write(file.directory === true ? `${file.path}/` : file.path, 0, 100)
  const octal = (value: number, at: number, length: number): void => void header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, length)
  octal(file.mode ?? 0o755, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(content.length, 124, 12)
  octal(0, 136, 12)
  header.write('        ', 148, 8)
  header.write(file.directory === true ? '5' : file.linkTarget !== undefined ? '2' : '0', 156, 1)
  header.write(file.linkTarget ?? '', 157, 100)
  header.write('ustar\x0000', 257, 8)
  octal(header.reduce((sum, byte) => sum + byte, 0), 148, 7)
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}

function tar(files: readonly ArchiveFile[]): Buffer {
  return Buffer.concat([...files.map(tarEntry), Buffer.alloc(1024)])
}

export interface TestImage { reference: string; files: readonly ArchiveFile[]; entrypoint?: string[]; command?: string[]; env?: string[]; user?: string; workingDir?: string }

/** A docker archive (`docker save`'s form) with one image of one layer, which `ctr images import` reads. */
export function imageArchive(image: TestImage): Buffer {
  const layer = tar(image.files)
  const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const config = Buffer.from(JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux', rootfs: { type: 'layers', diff_ids: [`sha256:${digest(layer)}`] },
    config: { Entrypoint: image.entrypoint, Cmd: image.command, Env: image.env ?? ['PATH=/bin'], User: image.user, WorkingDir: image.workingDir },
  }))
  const configName = `${digest(config)}.json`
  const manifest = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: [image.reference], Layers: ['layer.tar'] }]))
  return tar([{ path: 'manifest.json', content: manifest, mode: 0o644 }, { path: configName, content: config, mode: 0o644 }, { path: 'layer.tar', content: layer, mode: 0o644 }])
}

const applets = ['sh', 'cat', 'echo', 'sleep', 'ls', 'id', 'env', 'hostname', 'wget', 'nc', 'httpd', 'ping', 'ip', 'ps', 'kill', 'true', 'false', 'touch', 'mkdir', 'test', 'stat', 'grep', 'mount', 'head', 'date', 'seq', 'dd', 'nslookup', 'rm', 'df', 'wc', 'yes', 'readlink', 'printf', 'tail']

/** A small image with a shell, made from the machine's static busybox. */
export async function busyboxImage(reference = 'docker.io/library/busybox:test', command: string[] = ['sleep', '3600']): Promise<Buffer> {
  const busybox = await readFile('/usr/bin/busybox')
  return imageArchive({
    reference, command,
    files: [
      ...['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'var', 'root'].map((path) => ({ path, directory: true, mode: path === 'tmp' ? 0o1777 : 0o755 })),
      { path: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n'), mode: 0o644 },
      { path: 'etc/group', content: Buffer.from('root:x:0:\nnogroup:x:65534:\n'), mode: 0o644 },
      { path: 'bin/busybox', content: busybox },
      ...applets.map((name) => ({ path: `bin/${name}`, linkTarget: 'busybox' })),
    ],
  })
}

/** The pause image, from the machine's catatonit. */
export async function pauseImage(reference: string): Promise<Buffer> {
  return imageArchive({ reference, files: [{ path: 'pause', content: await readFile('/usr/bin/catatonit') }], entrypoint: ['/pause', '-P'] })
}
