import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { WebhookTarget } from './webhook-client.ts'
import { webhookCredentials } from './webhook-credentials.ts'

test('a webhook gets the credentials of the user that is named for it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'k8ts-credentials-'))
  t.after(() => rm(folder, { recursive: true }))
  const user = (name: string, more: object = { token: name }): object => ({ name, user: more })
  await writeFile(join(folder, 'token'), 'from-a-file\n')
  await writeFile(join(folder, 'cert.pem'), 'CERT')
  const write = (users: object[], current = ''): Promise<void> => writeFile(join(folder, 'config'), JSON.stringify({ 'apiVersion': 'v1', 'kind': 'Config', users, 'contexts': [{ name: 'now', context: { cluster: 'c', user: 'current' } }], 'current-context': current }))
  const service = (port?: number): WebhookTarget => ({ service: { namespace: 'ns', name: 'hook', ...(port === undefined ? {} : { port }) } })
  const all = ['a.example.com', 'b.example.com:8443', '*.example.com', 'hook.ns.svc', '*.ns.svc:9443', '*', 'current']
  const table: Array<[WebhookTarget, readonly string[], string, string | undefined]> = [
    [{ url: 'https://a.example.com/x' }, all, '', 'a.example.com'],
    [{ url: 'https://b.example.com:8443/x' }, all, '', 'b.example.com:8443'],
    [{ url: 'https://c.example.com/x' }, all, '', '*.example.com'],
    [{ url: 'https://c.example.com:8443/x' }, all, '', '*'],
    [service(), all, '', 'hook.ns.svc'],
    [service(9443), all, '', '*.ns.svc:9443'],
    [service(7443), ['current'], 'now', 'current'],
    [service(7443), ['current'], '', undefined],
  ]
  for (const [target, users, current, wanted] of table) {
    await write(users.map((name) => user(name)), current)
    assert.deepEqual(await (await webhookCredentials(join(folder, 'config'))).headersFor(target), wanted === undefined ? {} : { authorization: `Bearer ${wanted}` }, JSON.stringify(target))
  }
  await write([user('*', { tokenFile: 'token' })])
  assert.deepEqual(await (await webhookCredentials(join(folder, 'config'))).headersFor(service()), { authorization: 'Bearer from-a-file' })
  await write([user('*', { username: 'ann', password: 'secret' })])
  assert.deepEqual(await (await webhookCredentials(join(folder, 'config'))).headersFor(service()), { authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}` })
  await write([user('*', { 'client-certificate': 'cert.pem', 'client-key-data': Buffer.from('KEY').toString('base64') })])
  assert.deepEqual(await (await webhookCredentials(join(folder, 'config'))).certificateFor(service()), { cert: 'CERT', key: 'KEY' })
})
