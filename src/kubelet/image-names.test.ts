import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Secret } from '../api/types/core_v1.ts'
import { normalisedImageName } from './image-names.ts'
import { registryCredentials } from './registry-credentials.ts'

const digest = `sha256:${'a'.repeat(64)}`

test('short names are filled up', () => {
  const cases: [string, string][] = [
    ['busybox', 'docker.io/library/busybox:latest'], ['busybox:1.36', 'docker.io/library/busybox:1.36'], ['team/app', 'docker.io/team/app:latest'], ['index.docker.io/app', 'docker.io/library/app:latest'],
    ['registry.example/app', 'registry.example/app:latest'], ['localhost/app:1', 'localhost/app:1'], ['localhost:5000/a/b', 'localhost:5000/a/b:latest'], [`app@${digest}`, `docker.io/library/app@${digest}`],
    [`registry.example:5000/app:2@${digest}`, `registry.example:5000/app:2@${digest}`],
  ]
  for (const [text, expected] of cases) assert.equal(normalisedImageName(text), expected)
})

test('what names no image is refused', () => {
  for (const text of ['', ':latest', 'a b', 'app:', 'http://x/app', 'app@sha256:12']) assert.throws(() => normalisedImageName(text), /invalid reference format/, text)
  assert.throws(() => normalisedImageName('App'), /repository name must be lowercase/)
})

test('pull secrets fit by registry and path, the most specific first', () => {
  const auth = (text: string): string => Buffer.from(text).toString('base64')
  const secret: Secret = {
    metadata: { name: 's' }, type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { 'https://index.docker.io/v1/': { auth: auth('hub:1') }, 'registry.example': { auth: auth('all:2') }, 'registry.example/team': { username: 'team', password: '3' }, '*.other.example': { auth: auth('glob:4') } } })).toString('base64') },
  }
  const users = (image: string): (string | undefined)[] => registryCredentials([secret], image).map(({ username }) => username)
  assert.deepEqual(users('docker.io/library/busybox:latest'), ['hub'])
  assert.deepEqual(users('registry.example/team/app:1'), ['team', 'all'])
  assert.deepEqual(users('registry.example/app:1'), ['all'])
  assert.deepEqual(users('x.other.example/app:1'), ['glob'])
  assert.deepEqual(users('registry.example:5000/app:1'), [])
  assert.deepEqual(registryCredentials([{ metadata: { name: 'bad' }, data: { '.dockerconfigjson': 'bm90IGpzb24=' } }], 'docker.io/library/busybox'), [])
  assert.equal(registryCredentials([secret], 'docker.io/library/busybox')[0]!.password, '1')
})
