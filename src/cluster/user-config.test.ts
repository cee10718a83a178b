import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUserConfig } from './user-config.ts'

test('an empty file gives the defaults', async () => {
  assert.deepEqual(await parseUserConfig(''), { outbound: true, registries: [] })
})

test('mirrors are URLs or say more', async () => {
  const text = 'outbound: false\nregistries:\n  docker.io:\n    onlyMirrors: true\n    mirrors:\n    - http://127.0.0.1:5000\n    - url: https://mirror.example\n      skipVerify: true\n'
  assert.deepEqual(await parseUserConfig(text), { outbound: false, registries: [{ registry: 'docker.io', mirrors: [{ url: 'http://127.0.0.1:5000' }, { url: 'https://mirror.example', skipVerify: true }], onlyMirrors: true }] })
})

for (const [name, text, message] of [
  ['an unknown field', 'mirrors: []', /unknown field "mirrors"/],
  ['a mirror that is no URL', 'registries: {docker.io: {mirrors: [localhost]}}', /registries\."docker\.io"\.mirrors\[0\] must be a URL/],
  ['a registry without mirrors', 'registries: {docker.io: {}}', /mirrors must list at least one URL/],
  ['a list', '- a', /must be a mapping/],
] as const) test(`${name} is refused`, () => assert.rejects(parseUserConfig(text), message))
