import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Sandbox, noRealNodes } from './support.ts'

const root = join(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The commands that the README shows with a `$`, in order, each with the output shown below it. */
function session(text: string): Array<{ command: string; shown: string[] }> {
  const commands: Array<{ command: string; shown: string[] }> = []
  for (const line of text.split('\n')) {
    if (line.startsWith('$ ')) commands.push({ command: line.slice(2), shown: [] })
    else if (line.startsWith('```')) commands.push({ command: '', shown: [] })
    else commands.at(-1)?.shown.push(line)
  }
  return commands.filter((each) => each.command !== '')
}

/** A shown line as a pattern: what differs from run to run (names, addresses, times, spaces) may differ. */
function pattern(line: string): RegExp {
  const escaped = line.trim().replace(/^✓ /, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(escaped
    .replace(/(k8ts-demo|web)-[0-9a-f]{6,10}-[a-z0-9]{5}/g, '$1-[0-9a-f]+-[a-z0-9]{5}').replace(/\d+\\\.\d+\\\.\d+\\\.\d+/g, '[\\d.]+').replace(/ \d\\\.\ds$/, '').replace(/in \d\\\.\d s/g, 'in [\\d.]+ s').replace(/\b\d+s\b/g, '\\d+s').replace(/ {2,}/g, ' +'))
}

describe('the README', { skip: noRealNodes('kubectl') }, () => {
  const box = new Sandbox()
  after(() => box.end())

  test('its session runs as shown', async () => {
    const commands = session(readme)
    assert.ok(commands.length >= 4)
    for (const { command, shown } of commands) {
      const { code, stdout, stderr } = await box.run('sh', ['-c', `cd '${root}' && ${command}`])
      assert.equal(code, 0, `${command} failed: ${stderr}`)
      // Pods asked for at once are a moment from running: the session shows them a second later.
      if (command.startsWith('kubectl create deployment')) await box.kubectl('rollout', 'status', 'deployment/web', '--timeout=30s')
      for (const line of shown.filter((each) => each.trim() !== '' && !/Hello from|^web-/.test(each))) assert.match(stdout + stderr, pattern(line), `after ${command}`)
    }
    assert.match(await box.kubectl('get', 'pods', '-l', 'app=web'), /web-[0-9a-f]+-[a-z0-9]{5} +1\/1 +Running/)
  })

  test('every command that it names exists', async () => {
    const named = [...readme.matchAll(/`\.\/k8ts ([a-z-]+)/g), ...readme.matchAll(/^\.\/k8ts ([a-z-]+)/gm)].map((match) => match[1] ?? '')
    const help = await box.k8ts('--help')
    for (const command of new Set([...named, 'list', 'status', 'kubeconfig', 'scheduler', 'controller-manager', 'kubelet', 'proxy', 'agent', 'hollow'])) assert.match(help, new RegExp(`^  ${command}\\b`, 'm'))
    const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts
    for (const [, script] of readme.matchAll(/npm (?:run )?(test|bench)/g)) assert.ok(scripts[script ?? ''] !== undefined)
  })
})
