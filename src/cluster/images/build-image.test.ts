import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { buildImage } from './build-image.ts'
import { demoImageSpec, pauseImageSpec } from './local-images.ts'
import { tarArchive } from './tar.ts'

const list = (archive: Uint8Array): string[] => execFileSync('tar', ['-tvf', '-', '--numeric-owner'], { input: archive }).toString().trimEnd().split('\n')
const unpack = (archive: Uint8Array, path: string): Buffer => execFileSync('tar', ['-xOf', '-', path], { input: archive })

test('tar reads the archive: kinds, modes, owners, long paths', () => {
  const long = `${'d'.repeat(90)}/${'f'.repeat(90)}`
  const lines = list(tarArchive([
    { path: 'bin', type: 'directory' }, { path: 'tmp', type: 'directory', mode: 0o1777 }, { path: 'bin/run', type: 'file', content: Buffer.alloc(1000), mode: 0o755 },
    { path: 'bin/alias', type: 'symlink', target: 'run' }, { path: long, type: 'file', content: new Uint8Array() },
  ]))
  assert.deepEqual(lines.map((line) => line.split(/\s+/).slice(0, 3).join(' ')), ['drwxr-xr-x 0/0 0', 'drwxrwxrwt 0/0 0', '-rwxr-xr-x 0/0 1000', 'lrwxrwxrwx 0/0 0', '-rw-r--r-- 0/0 0'])
  assert.match(lines[3]!, /bin\/alias -> run$/)
  assert.ok(lines[4]!.endsWith(long))
})

test('a path that does not fit is refused', () => {
  assert.throws(() => tarArchive([{ path: 'x'.repeat(120), type: 'file', content: new Uint8Array() }]), /too long/)
})

test('the same image is the same bytes, and names itself to containerd and to Docker', () => {
  const spec = pauseImageSpec(Buffer.from('program'))
  const archive = buildImage(spec)
  assert.equal(archive.equals(buildImage(spec)), true)
  const index = JSON.parse(unpack(archive, 'index.json').toString()) as { manifests: { annotations: Record<string, string>; digest: string }[] }
  assert.equal(index.manifests[0]!.annotations['io.containerd.image.name'], spec.name)
  const [docker] = JSON.parse(unpack(archive, 'manifest.json').toString()) as { RepoTags: string[]; Config: string }[]
  assert.deepEqual(docker!.RepoTags, [spec.name])
  const config = JSON.parse(unpack(archive, docker!.Config).toString()) as { config: { Entrypoint: string[]; User: string } }
  assert.deepEqual([config.config.Entrypoint, config.config.User], [['/pause', '-P'], '65535:65535'])
})

test('the demo image brings a shell, its commands and an init that passes signals on', () => {
  const spec = demoImageSpec(Buffer.from('busybox'), Buffer.from('init'), ['sh', 'ls', 'busybox', '[', '../evil'])
  const paths = spec.files.map((file) => file.path)
  assert.deepEqual(paths.filter((path) => path.startsWith('bin/')), ['bin/busybox', 'bin/catatonit', 'bin/sh', 'bin/ls', 'bin/['])
  assert.equal(spec.entrypoint?.[0], '/bin/catatonit')
})
