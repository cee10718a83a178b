import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { PodSpec, Volume } from '../../api/types/core_v1.ts'
import { testRuntime } from '../../runtime/runtime.ts'
import { ObjectNotFound } from '../env.ts'
import { boundPod } from '../pods.ts'
import { writeAtomically, type VolumeFile } from './atomic-writer.ts'
import { prepareHostPath } from './host-path.ts'
import { createPodVolumes } from './pod-volumes.ts'
import { projectedVolumeFiles, type ProjectionInput } from './projection.ts'
import { prepareSubPath } from './subpath.ts'

const file = (text: string, mode = 0o644): VolumeFile => ({ content: Buffer.from(text), mode })

describe('volumes', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'k8ts-volumes-'))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  it('are rewritten at one stroke, and only when something changed', async () => {
    const volume = join(directory, 'atomic')
    await mkdir(volume)
    assert.equal(await writeAtomically(volume, new Map([['a', file('1', 0o400)], ['d/b', file('2')]]), 't1'), true)
    const first = await readlink(join(volume, '..data'))
    assert.equal(await readFile(join(volume, 'd/b'), 'utf8'), '2')
    assert.equal((await stat(join(volume, 'a'))).mode & 0o777, 0o400)
    assert.equal(await writeAtomically(volume, new Map([['a', file('1', 0o400)], ['d/b', file('2')]]), 't2'), false)
    assert.equal(await readlink(join(volume, '..data')), first)
    assert.equal(await writeAtomically(volume, new Map([['a', file('new')], ['c', file('3')]]), 't3'), true)
    assert.deepEqual((await readdir(volume)).filter((name) => !name.startsWith('..')).sort(), ['a', 'c'])
    assert.equal((await readdir(volume)).filter((name) => name.startsWith('..') && name !== '..data').length, 1)
    assert.equal(await readFile(join(volume, 'a'), 'utf8'), 'new')
  })

  it('hostPath: types are checked, and made where they say so', async () => {
    const path = join(directory, 'host')
    await assert.rejects(prepareHostPath({ path, type: 'Directory' }), { message: `hostPath type check failed: ${path} is not a directory` })
    assert.equal(await prepareHostPath({ path, type: 'DirectoryOrCreate' }), path)
    assert.ok((await stat(path)).isDirectory())
    await assert.rejects(prepareHostPath({ path, type: 'File' }), { message: `hostPath type check failed: ${path} is not a file` })
    await assert.rejects(prepareHostPath({ path, type: 'Socket' }), /is not a socket file/)
    const fresh = join(directory, 'file')
    await prepareHostPath({ path: fresh, type: 'FileOrCreate' })
    assert.ok((await stat(fresh)).isFile())
    assert.equal(await prepareHostPath({ path: '/nowhere/at/all' }), '/nowhere/at/all')
  })

  it('subPath: made when missing, and never outside the volume', async () => {
    const volume = join(directory, 'sub')
    await mkdir(join(volume, 'in'), { recursive: true })
    await writeFile(join(volume, 'in', 'f'), '')
    await symlink('/etc', join(volume, 'out'))
    await symlink('in', join(volume, 'link'))
    assert.equal(await prepareSubPath(volume, 'in/f'), join(volume, 'in/f'))
    assert.equal(await prepareSubPath(volume, 'link/f'), join(volume, 'in/f'))
    assert.equal(await prepareSubPath(volume, 'new/deep'), join(volume, 'new/deep'))
    assert.ok((await stat(join(volume, 'new/deep'))).isDirectory())
    for (const path of ['../x', '/etc', 'out/passwd', 'out', 'in/../../x']) await assert.rejects(prepareSubPath(volume, path), /failed to prepare subPath/, path)
  })

  const input = (spec: Partial<PodSpec> = {}): ProjectionInput => ({
    pod: boundPod({ metadata: { name: 'p', namespace: 'n', uid: 'u', labels: { app: 'web' } }, spec: { containers: [{ name: 'c' }], ...spec } }),
    objects: {
      configMap: async (_, name) => {
        if (name !== 'config') throw new ObjectNotFound(`configmap "${name}" not found`)
        return { kind: 'ConfigMap', metadata: { name }, data: { a: '1', b: '2' }, binaryData: { raw: 'AP8=' } }
      },
      secret: async (_, name) => ({ kind: 'Secret', metadata: { name }, data: { key: Buffer.from('hush').toString('base64') } }),
    },
    tokens: { token: async (_, audience, seconds) => `token ${audience ?? 'api'} ${seconds}` },
    place: { podIPs: ['10.0.0.5'], hostIPs: ['192.0.2.1'], allocatable: {} },
  })
  const shown = async (volume: Omit<Volume, 'name'>, spec?: Partial<PodSpec>): Promise<Record<string, [string, string]>> =>
    Object.fromEntries([...(await projectedVolumeFiles(input(spec), { name: 'v', ...volume }))!].map(([path, { content, mode }]) => [path, [Buffer.from(content).toString('latin1'), mode.toString(8)]]))

  it('show config maps, secrets, the pod itself and tokens', async () => {
    assert.deepEqual(await shown({ configMap: { name: 'config' } }), { a: ['1', '644'], b: ['2', '644'], raw: ['\x00\xff', '644'] })
    assert.deepEqual(await shown({ configMap: { name: 'config', defaultMode: 0o400, items: [{ key: 'a', path: 'x/y' }, { key: 'b', path: 'z', mode: 0o640 }] } }), { 'x/y': ['1', '400'], z: ['2', '640'] })
    assert.deepEqual(await shown({ configMap: { name: 'none', optional: true } }), {})
    assert.deepEqual(await shown({ secret: { secretName: 's' } }), { key: ['hush', '644'] })
    assert.deepEqual(await shown({ downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }, { path: 'ip', fieldRef: { fieldPath: 'status.podIP' } }] } }), { l: ['app="web"', '644'], ip: ['10.0.0.5', '644'] })
    const sources = [{ serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 600 } }, { configMap: { name: 'config', items: [{ key: 'a', path: 'ca' }] } }]
    assert.deepEqual(await shown({ projected: { sources } }), { token: ['token vault 600', '644'], ca: ['1', '644'] })
    assert.deepEqual((await shown({ projected: { sources } }, { securityContext: { fsGroup: 5 } })).token, ['token vault 600', '600'])
    await assert.rejects(shown({ configMap: { name: 'config', items: [{ key: 'none', path: 'x' }] } }), { message: 'references non-existent config key: none' })
    await assert.rejects(shown({ configMap: { name: 'none' } }), { message: 'configmap "none" not found' })
  })

  it('of a claim lie where its volume does; what is not supported is refused', async () => {
    const local = join(directory, 'local')
    await mkdir(local)
    const { objects, tokens, place } = input()
    const volumes = createPodVolumes(directory, testRuntime(), { objects, tokens, claims: { volumeOf: async (_, name) => ({ metadata: { name }, spec: name === 'data' ? { local: { path: local } } : { nfs: { server: 's', path: '/' } } }) } })
    const mount = (volume: Omit<Volume, 'name'>): Promise<ReadonlyMap<string, string>> => volumes.mount({ pod: { ...input().pod, spec: { containers: [{ name: 'c' }], volumes: [{ name: 'v', ...volume }] } }, place })
    assert.equal((await mount({ persistentVolumeClaim: { claimName: 'data' } })).get('v'), local)
    await assert.rejects(mount({ persistentVolumeClaim: { claimName: 'other' } }), { message: 'MountVolume.SetUp failed for volume "v" : persistent volume "other" is neither hostPath nor local; other kinds are not supported by this kubelet' })
    await assert.rejects(mount({ nfs: { server: 's', path: '/' } }), { message: 'MountVolume.SetUp failed for volume "v" : volumes of type nfs are not supported by this kubelet' })
    const empty = (await mount({ emptyDir: {} })).get('v')!
    assert.equal((await stat(empty)).mode & 0o777, 0o777)
    assert.deepEqual(await volumes.list(), ['u'])
    await volumes.remove('u')
    assert.deepEqual(await volumes.list(), [])
  })
})
