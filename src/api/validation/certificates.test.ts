import { nowMs, testRules } from './testing/causes.ts'

const request = 'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlHdk1HTUNBUUF3TURFVk1CTUdBMVVFQ2d3TWMzbHpkR1Z0T201dlpHVnpNUmN3RlFZRFZRUUREQTV6ZVhOMApaVzA2Ym05a1pUcHVNVEFxTUFVR0F5dGxjQU1oQUUxRkxkZFVyUS9IK01ybnhqZHdEbXQ2d0drRjU0SXRBUGZrCmUwYmRETHhFb0FBd0JRWURLMlZ3QTBFQWllMzFYRUNCTXpBS3F3K09mdTVWK0Z4VkxGSk1GRkpYYm9SdWNuNFkKalBISjM2SElONzdYbmtiUHF3K0hwVXk1QXFxVmwwaTBaZFArTHUxeGFJNHdEUT09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo='
const authority = `-----BEGIN CERTIFICATE-----
MIIBMDCB46ADAgECAhQBRqv0I+l8Mehgcc7EXsfA2ZBygTAFBgMrZXAwDTELMAkG
A1UEAwwCY2EwIBcNMjYxMTIxMDY1MzQ5WhgPMjEyNjEwMjgwNjUzNDlaMA0xCzAJ
BgNVBAMMAmNhMCowBQYDK2VwAyEATUUt11StD8f4yufGN3AOa3rAaQXngi0A9+R7
Rt0MvESjUzBRMB0GA1UdDgQWBBQCDrPDT1kEd4cGG9HVh+ER5DE6LDAfBgNVHSME
GDAWgBQCDrPDT1kEd4cGG9HVh+ER5DE6LDAPBgNVHRMBAf8EBTADAQH/MAUGAytl
cANBAHotcIV8WErHKF3nMjwFOEMGN4P0Pbnjepet3sMrdn7C4kfziG/8CqEsSLUb
IxPJTxEaVGFA6NY+BCz83haEOgc=
-----END CERTIFICATE-----
`
const head = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'UPPER:case' } }
const approved = { type: 'Approved', status: 'True', reason: 'r', message: '' }
const time = new Date(nowMs).toISOString().replace('.000', '')
const stamped = { ...approved, lastUpdateTime: time, lastTransitionTime: time }

testRules('a CertificateSigningRequest', { ...head, spec: { request, signerName: 'example.com/s', usages: ['client auth'] } }, [
  [{ 'metadata.name': 'a/b' }, ["metadata.name: Invalid value: \"a/b\": may not contain '/'"]],
  [{ 'spec.request': 'eA==' }, ['spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST']],
  [{ 'spec.usages': undefined }, ['spec.usages: Required value']],
  [{ 'spec.usages': ['any', 'any'] }, ['spec.usages[1]: Duplicate value: "any"']],
  [{ 'spec.expirationSeconds': 599 }, ['spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)']],
  [{ 'spec.signerName': 'kubernetes.io/legacy-unknown' }, ['spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version']],
  [{ 'spec.signerName': 'a' }, ["spec.signerName: Invalid value: \"a\": must be a fully qualified domain and path of the form 'example.com/signer-name'"]],
  [{ 'spec.signerName': 'com/s' }, ['spec.signerName: Invalid value: "com": should be a domain with at least two segments separated by dots']],
], [
  [{}, { 'status.conditions': [approved] }, [], 'approval'],
  // Through the resource itself, neither spec nor status change.
  [{}, { 'status.conditions': [approved], 'spec.usages': ['any'] }, []],
  [{}, { 'status.conditions': [approved] }, ['status.conditions: Forbidden: updates may not add a condition of type "Approved"'], 'status'],
  [{ 'status.conditions': [stamped] }, { 'status.conditions': [{ ...approved, type: 'Denied' }, stamped] }, ['status.conditions: Invalid value: "Approved": Approved and Denied conditions are mutually exclusive'], 'approval'],
  [{ 'status.conditions': [stamped] }, { 'status.conditions': [{ ...stamped, message: 'changed' }] }, [], 'status'],
  [{ 'status.conditions': [stamped] }, { 'status.conditions': [] }, ['status.conditions: Forbidden: updates may not remove a condition of type "Approved"'], 'approval'],
  [{}, { 'status.conditions': [{ ...approved, status: 'False' }] }, ['status.conditions[0].status: Unsupported value: "False": supported values: "True"'], 'approval'],
  [{}, { 'status.conditions': [{ type: '', status: '' }] }, ['status.conditions[0].type: Required value', 'status.conditions[0].status: Required value'], 'approval'],
  [{}, { 'status.certificate': Buffer.from(authority).toString('base64') }, [], 'status'],
  [{}, { 'status.certificate': 'eA==' }, ['status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'], 'status'],
  [{ 'status.certificate': Buffer.from(authority).toString('base64') }, { 'status.certificate': '' }, ['status.certificate: Forbidden: updates may not modify existing certificate content'], 'status'],
])

testRules('a ClusterTrustBundle', { apiVersion: 'certificates.k8s.io/v1beta1', kind: 'ClusterTrustBundle', metadata: { name: 'example.com:s:b' }, spec: { signerName: 'example.com/s', trustBundle: authority } }, [
  [{ 'metadata.name': 'b' }, ['metadata.name: Invalid value: "b": ClusterTrustBundle for signerName example.com/s must be named with prefix example.com:s:']],
  [{ 'spec.signerName': undefined }, ['metadata.name: Invalid value: "example.com:s:b": ClusterTrustBundle without signer name must not have ":" in its name']],
  [{ 'spec.trustBundle': '' }, ['spec.trustBundle: Invalid value: "<value omitted>": at least one trust anchor must be provided']],
  [{ 'spec.trustBundle': authority + authority }, ['spec.trustBundle: Invalid value: "<value omitted>": duplicate trust anchor (indices [0 1])']],
  [{ 'spec.trustBundle': authority.replaceAll('CERTIFICATE', 'KEY') }, ['spec.trustBundle: Invalid value: "<value omitted>": entry 0 has bad block type: KEY']],
], [
  [{}, { 'spec.signerName': 'example.com/t' }, [
    'metadata.name: Invalid value: "example.com:s:b": ClusterTrustBundle for signerName example.com/t must be named with prefix example.com:t:', 'spec.signerName: Invalid value: "example.com/t": field is immutable',
  ]],
])
