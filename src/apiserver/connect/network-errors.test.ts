import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkErrorText } from './network-errors.ts'

test('a connection that fails is told by the address that its name led to', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED ::1:443'), { code: 'ECONNREFUSED', syscall: 'connect', address: '::1', port: 443 })
  assert.equal(networkErrorText(refused, { host: 'localhost', port: 443 }), 'dial tcp [::1]:443: connect: connection refused')
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
  assert.equal(networkErrorText(reset, { host: '10.0.0.1', port: 443 }), 'read tcp 10.0.0.1:443: connection reset by peer')
})
