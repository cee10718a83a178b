/**
 * `npm test`: type check, lint, every unit test, then the end-to-end suites one after the other. Ends with `N passed, N failed`.
 * Arguments name files or parts of file names to run only those.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const root = join(import.meta.dirname, '..')
const wanted = process.argv.slice(2)

interface Tally { passed: number; failed: number; skipped: number }
const total: Tally = { passed: 0, failed: 0, skipped: 0 }

function check(name: string, args: string[]): void {
  const startedMs = performance.now()
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  const ok = result.status === 0
  total[ok ? 'passed' : 'failed'] += 1
  console.log(`${ok ? '✔' : '✖'} ${name} (${Math.round(performance.now() - startedMs)}ms)`)
}

async function suite(files: string[], concurrency: number): Promise<void> {
  if (files.length === 0) return
  const stream = run({ files, concurrency, isolation: 'process', timeout: 600_000 })
  stream.on('test:pass', (event) => {
    // A file counts through its tests; the entry of a suite or of the file itself is only a heading.
    if (event.details.type === 'suite' || event.name === event.file) return
    if (event.skip !== undefined) total.skipped += 1
    else total.passed += 1
  })
  stream.on('test:fail', (event) => {
    if (event.details.type !== 'suite') total.failed += 1
  })
  for await (const text of stream.compose(spec)) process.stdout.write(text as string)
}

const select = (pattern: string): string[] => globSync(pattern, { cwd: root }).map((file) => join(root, file)).sort()
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))

if (wanted.length === 0) {
  check('type check', ['node_modules/typescript/bin/tsc', '-p', '.'])
  check('lint', ['node_modules/oxlint/bin/oxlint', '--deny-warnings', 'src', 'test', 'bench', 'scripts'])
}
await suite([...select('src/**/*.test.ts'), ...select('test/*.test.ts')], 2)
await suite(select('test/e2e/*.test.ts'), 1)
if (total.skipped > 0) console.log(`${total.skipped} skipped; each says why above`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
