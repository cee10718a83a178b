import assert from 'node:assert/strict'
import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Sandbox } from './support.ts'

const root = join(import.meta.dirname, '../..')

/** A checkout of its own, with what npm has installed in this one. */
function checkoutIn(folder: string): string {
  mkdirSync(join(folder, '.k8ts'), { recursive: true })
  for (const each of ['src', 'scripts', 'k8ts', 'package.json']) cpSync(join(root, each), join(folder, each), { recursive: true })
  const lock = join(folder, 'package-lock.json')
  copyFileSync(join(root, 'package-lock.json'), lock)
  // What is installed must be newer, also where files written in one breath have the same time.
  utimesSync(lock, 1, 1)
  mkdirSync(join(folder, 'node_modules'))
  for (const each of readdirSync(join(root, 'node_modules')).filter((name) => name !== '.package-lock.json')) symlinkSync(join(root, 'node_modules', each), join(folder, 'node_modules', each))
  writeFileSync(join(folder, 'node_modules/.package-lock.json'), '{}')
  if (existsSync(join(root, '.k8ts/node'))) symlinkSync(join(root, '.k8ts/node'), join(folder, '.k8ts/node'))
  return folder
}

describe('the launcher', () => {
  const box = new Sandbox()
  after(() => box.end())
  const checkout = checkoutIn(join(box.home, 'checkout'))
  const bundles = join(checkout, '.k8ts/bundle')
  const current = (): string => readFileSync(join(bundles, 'current'), 'utf8').trim()
  const version = async (env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const { code, stdout, stderr } = await box.run(join(checkout, 'k8ts'), ['--version'], { env })
    assert.equal(code, 0, stderr)
    return stdout + stderr
  }

  test('the sources are joined once, and anew when one has changed', async () => {
    const first = await version()
    const made = current()
    assert.ok(existsSync(join(bundles, made, 'main.js')))
    assert.equal(await version(), first)
    assert.equal(current(), made)
    const file = join(checkout, 'src/cli/version.ts')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/'v?1\.36\.0/, (text) => `${text}-changed`))
    assert.match(await version(), /changed/)
    assert.notEqual(current(), made)
  })

  test('a running server finds the parts of its own bundle after the next ones are made', async () => {
    const first = current()
    // As a build leaves it that is killed.
    writeFileSync(join(bundles, `${first}.new`), '')
    for (let round = 0; round < 3; round++) {
      appendFileSync(join(checkout, 'src/cli/version.ts'), '\n')
      await version()
    }
    assert.ok(existsSync(join(bundles, first, 'main.js')))
    for (let round = 0; round < 3; round++) {
      appendFileSync(join(checkout, 'src/cli/version.ts'), '\n')
      await version()
    }
    assert.ok(!existsSync(join(bundles, first)))
  })

  test('K8TS_DEBUG=1 runs the sources as they are, and so does a checkout whose sources cannot be joined', async () => {
    const before = current()
    appendFileSync(join(checkout, 'src/apiserver/compose.ts'), '\nthis is not TypeScript\n')
    assert.doesNotMatch(await version({ K8TS_DEBUG: '1' }), /ERROR|joined/)
    assert.match(await version(), /could not be joined: see the message above/)
    assert.equal(current(), before)
    assert.deepEqual(readdirSync(bundles).filter((name) => name.endsWith('.new')), [])
  })
})
