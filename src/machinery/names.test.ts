import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalCidrErrors, canonicalIpErrors, cidrErrors, ipErrors } from './ip-checks.ts'
import { configMapKeyErrors, dns1035LabelErrors, dnsLabelErrors, dnsSubdomainErrors, environmentNameErrors, labelValueErrors, pathSegmentErrors, portNameErrors, qualifiedNameErrors, wildcardSubdomainErrors } from './names.ts'

test('names that are right pass', () => {
  for (const [check, values] of [
    [dnsLabelErrors, ['a', 'a-b', '0a', 'a'.repeat(63)]], [dnsSubdomainErrors, ['a.b', 'a', `${'a'.repeat(60)}.b`]], [dns1035LabelErrors, ['a1']],
    [qualifiedNameErrors, ['a', 'a/b', 'A_b.c', 'k8s.io/x']], [labelValueErrors, ['', 'a', 'A.b_c']], [environmentNameErrors, ['A', '1 b', 'x.y-z']], [configMapKeyErrors, ['a.b', '.a', 'A_B']],
    [portNameErrors, ['http', 'a-1']], [pathSegmentErrors, ['system:node', 'a b']], [wildcardSubdomainErrors, ['*.a.b']],
    [ipErrors, ['1.2.3.4', '::1', '2001:db8::ffff', 'FE80:0:0:0:0:0:0:1']], [cidrErrors, ['10.0.0.0/8', '2001:db8::/64']], [canonicalIpErrors, ['::1']], [canonicalCidrErrors, ['10.0.0.0/8']],
  ] as Array<[(value: string) => string[], string[]]>) for (const value of values) assert.deepEqual(check(value), [], `${check.name} ${value}`)
})

test('names that are wrong are told why in upstream words', () => {
  for (const [check, value, message] of [
    [dnsLabelErrors, 'a.b', 'must not contain dots'], [dnsLabelErrors, 'a'.repeat(64), 'must be no more than 63 characters'],
    [dnsSubdomainErrors, 'A', "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"],
    [dns1035LabelErrors, '1a', "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"],
    [qualifiedNameErrors, '/a', 'prefix part must be non-empty'], [qualifiedNameErrors, 'a'.repeat(64), 'name part must be no more than 63 bytes'],
    [labelValueErrors, 'a'.repeat(64), 'must be no more than 63 bytes'],
    [environmentNameErrors, '', 'environment variable name must be non-empty'], [environmentNameErrors, 'a=b', "a valid environment variable name must consist only of printable ASCII characters other than '='"],
    [configMapKeyErrors, '..', "must not be '..'"], [configMapKeyErrors, '..a', "must not start with '..'"],
    [portNameErrors, 'a--b', 'must not contain consecutive hyphens'], [portNameErrors, '123', 'must contain at least one letter (a-z)'],
    [pathSegmentErrors, '..', "may not be '..'"], [pathSegmentErrors, 'a/b', "may not contain '/'"],
    [ipErrors, '1.2.3', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'], [ipErrors, '010.1.1.1', 'must not have leading 0s'], [ipErrors, '::ffff:1.2.3.4', 'must not be an IPv4-mapped IPv6 address'],
    [cidrErrors, '10.0.0.1/8', 'must not have bits set beyond the prefix length'], [cidrErrors, '10.0.0.0/33', 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    [canonicalIpErrors, 'FE80::1', 'must be in canonical form ("fe80::1")'],
  ] as Array<[(value: string) => string[], string, string]>) assert.deepEqual(check(value), [message], `${check.name} ${value}`)
})
