import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { keyPairProblem } from './tls-pair.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const certificate = '-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n'
const other = '-----BEGIN X-----\neA==\n-----END X-----\n'

test('what is no pair of certificate and key is told in Go\'s words', () => {
  const cases: Array<[certificate: string, key: string, problem: string]> = [
    ['x', key, 'tls: failed to find any PEM data in certificate input'],
    [key, key, 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'],
    [other, key, 'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [X]'],
    [certificate, '', 'tls: failed to find any PEM data in key input'],
    [certificate, certificate, 'tls: found a certificate rather than a key in the PEM for the private key'],
    [certificate, other, 'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [X]'],
    [certificate, key, 'x509: malformed certificate'],
  ]
  for (const [crt, held, problem] of cases) assert.equal(keyPairProblem(crt, held), problem)
})
