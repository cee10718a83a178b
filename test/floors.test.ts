import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { floors } from './floors.ts'

const root = join(import.meta.dirname, '..')
const sources = globSync('src/**/*.ts', { cwd: root }).filter((file) => !/\.(test|bench|contract)\.ts$/.test(file) && !file.includes('/testing/'))

function roomOf(file: string): string | undefined {
  const parts = file.split('/')
  return parts[0] === 'src' && parts.length > 2 ? parts[1] : undefined
}

function floorOf(room: string): number {
  return floors.findIndex((rooms) => rooms.includes(room))
}

/** Specifiers of `import … from`, `export … from` and `import()`, types included. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+)'([^']+)'/g)].map((match) => match[1] ?? '')
}

test('every folder of src is a room of the layer map', () => {
  const rooms = new Set(sources.map(roomOf).filter((room) => room !== undefined))
  assert.deepEqual([...rooms].filter((room) => floorOf(room) < 0), [])
})

test('a room imports only from rooms on lower floors', () => {
  const breaches: string[] = []
  for (const file of sources) {
    const room = roomOf(file)
    if (room === undefined) continue
    for (const specifier of importsOf(readFileSync(join(root, file), 'utf8'))) {
      if (!specifier.startsWith('.')) continue
      const target = roomOf(relative(root, resolve(root, dirname(file), specifier)))
      if (target === undefined || target === room || floorOf(target) > floorOf(room)) continue
      const allowed = floors.slice(floorOf(room) + 1).flat().join(', ')
      breaches.push(`${file} imports ${specifier}: ${room} may import only from ${allowed}`)
    }
  }
  assert.deepEqual(breaches, [])
})

test('only the API server imports the store', () => {
  const breaches = sources.filter((file) => !['store', 'apiserver'].includes(roomOf(file) ?? ''))
    .filter((file) => importsOf(readFileSync(join(root, file), 'utf8')).some((specifier) => /(^|\/)store\//.test(specifier) && specifier.startsWith('.')))
  assert.deepEqual(breaches, [])
})

const forbidden: ReadonlyArray<{ pattern: RegExp; instead: string }> = [
  { pattern: /\bDate\.now\s*\(/, instead: 'runtime.clock.now()' },
  { pattern: /\bnew Date\(\s*\)/, instead: 'runtime.clock.now()' },
  { pattern: /\bperformance\.now\s*\(/, instead: 'runtime.clock.monotonicMs()' },
  { pattern: /(?<![.\w])set(Timeout|Interval|Immediate)\s*\(/, instead: 'runtime.clock' },
  { pattern: /\bMath\.random\s*\(/, instead: 'runtime.random' },
  { pattern: /\brandomUUID\b/, instead: 'runtime.random.uuid()' },
  { pattern: /\brandomBytes\b/, instead: 'runtime.random.bytes()' },
  { pattern: /from 'node:child_process'/, instead: 'runtime.processes' },
  { pattern: /from 'node:timers/, instead: 'runtime.clock' },
]

test('time, chance and processes come from the runtime alone', () => {
  const breaches: string[] = []
  for (const file of sources) {
    if (roomOf(file) === 'runtime') continue
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    lines.forEach((line, index) => {
      const code = line.replace(/\/\/.*$/, '').replace(/^\s*\*.*$/, '')
      for (const { pattern, instead } of forbidden) if (pattern.test(code)) breaches.push(`${file}:${index + 1} use ${instead}`)
    })
  }
  assert.deepEqual(breaches, [])
})

test('api and machinery do no input or output', () => {
  const allowed = new Set(['node:fs', 'node:path', 'node:crypto', 'node:buffer', 'node:util', 'node:zlib', 'node:url', 'node:module'])
  const breaches = sources.filter((file) => ['api', 'machinery'].includes(roomOf(file) ?? ''))
    .flatMap((file) => importsOf(readFileSync(join(root, file), 'utf8')).filter((specifier) => specifier.startsWith('node:') && !allowed.has(specifier)).map((specifier) => `${file} imports ${specifier}`))
  assert.deepEqual(breaches, [])
})

test('no folder is a catch-all and no module is a barrel', () => {
  const breaches = globSync('{src,test,bench,scripts}/**', { cwd: root }).filter((file) => /(^|\/)(util|utils|common|helpers|misc)(\/|\.ts$)/.test(file) || file.endsWith('/index.ts'))
  assert.deepEqual(breaches, [])
})
