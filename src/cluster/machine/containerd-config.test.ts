import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostsFile, loopbackPorts } from './containerd-config.ts'

test('a registry on the host\'s loopback is asked at the bridge address, and only it', () => {
  const config = { registry: 'localhost:5000', mirrors: [{ url: 'http://localhost:5000' }], onlyMirrors: true }
  assert.equal(hostsFile(config, '10.88.0.1'), 'server = "http://10.88.0.1:5000"\n\n[host."http://10.88.0.1:5000"]\n  capabilities = ["pull", "resolve"]\n')
  assert.deepEqual(loopbackPorts([config, { registry: 'docker.io', mirrors: [{ url: 'https://mirror.example' }] }]), [5000])
})

test('a mirror keeps its name, and says which certificates to take', () => {
  const text = hostsFile({ registry: 'docker.io', mirrors: [{ url: 'https://mirror.example/', skipVerify: true, caFile: '/etc/ca.pem' }] }, '10.88.0.1')
  assert.equal(text, '[host."https://mirror.example"]\n  capabilities = ["pull", "resolve"]\n  skip_verify = true\n  ca = "/etc/ca.pem"\n')
})
