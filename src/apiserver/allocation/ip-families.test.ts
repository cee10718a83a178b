import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service, ServiceSpec } from '../../api/types/core_v1.ts'
import { fillFamilies, type IpFamily } from './ip-families.ts'

const single: readonly IpFamily[] = ['IPv4']
const dual: readonly IpFamily[] = ['IPv4', 'IPv6']
const selector = { a: 'b' }

function filled(spec: ServiceSpec, families: readonly IpFamily[], old?: ServiceSpec): { policy: string | undefined; families: readonly string[] | undefined; ips: readonly string[] | undefined; problems: string[] } {
  const service: Service = { metadata: { name: 'x' }, spec: structuredClone({ type: 'ClusterIP', ...spec }) }
  const problems = fillFamilies(service, old === undefined ? undefined : { metadata: { name: 'x' }, spec: { type: 'ClusterIP', ...old } }, families)
  return { policy: service.spec!.ipFamilyPolicy, families: service.spec!.ipFamilies, ips: service.spec!.clusterIPs, problems: problems.map(({ path, detail }) => `${path}: ${detail}`) }
}

test('what is not said comes from the cluster', () => {
  const cases: [ServiceSpec, readonly IpFamily[], string, string[]][] = [
    [{ selector }, single, 'SingleStack', ['IPv4']],
    [{ selector }, dual, 'SingleStack', ['IPv4']],
    [{ selector }, ['IPv6', 'IPv4'], 'SingleStack', ['IPv6']],
    [{ selector, ipFamilyPolicy: 'PreferDualStack' }, single, 'PreferDualStack', ['IPv4']],
    [{ selector, ipFamilyPolicy: 'PreferDualStack' }, dual, 'PreferDualStack', ['IPv4', 'IPv6']],
    [{ selector, ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6'] }, dual, 'RequireDualStack', ['IPv6', 'IPv4']],
    [{ selector, clusterIP: 'fd00::5', clusterIPs: ['fd00::5'] }, dual, 'SingleStack', ['IPv6']],
    [{ clusterIP: 'None', clusterIPs: ['None'] }, single, 'RequireDualStack', ['IPv4', 'IPv6']],
    [{ clusterIP: 'None', clusterIPs: ['None'], selector }, dual, 'SingleStack', ['IPv4']],
  ]
  for (const [spec, cluster, policy, families] of cases) {
    const found = filled(spec, cluster)
    assert.deepEqual([found.problems, found.policy, found.families], [[], policy, families], JSON.stringify(spec))
  }
})

test('what the cluster cannot give is refused', () => {
  assert.deepEqual(filled({ selector, ipFamilyPolicy: 'RequireDualStack' }, single).problems, ['spec.ipFamilyPolicy: this cluster is not configured for dual-stack services'])
  assert.deepEqual(filled({ selector, ipFamilies: ['IPv6'] }, single).problems, ['spec.ipFamilies[0]: not configured on this cluster'])
  assert.deepEqual(filled({ selector, clusterIP: 'fd00::5', clusterIPs: ['fd00::5'] }, single).problems, ['spec.clusterIPs[0]: IPv6 is not configured on this cluster'])
  assert.deepEqual(filled({ selector, ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4', 'IPv6'] }, dual).problems, ['spec.ipFamilyPolicy: must be \'RequireDualStack\' or \'PreferDualStack\' when multiple IP families are specified'])
})

test('one family is left when the policy says so, and only then', () => {
  const old: ServiceSpec = { selector, ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'], clusterIPs: ['10.0.0.5', 'fd00::5'], clusterIP: '10.0.0.5' }
  const down = filled({ ...old, ipFamilyPolicy: 'SingleStack' }, dual, old)
  assert.deepEqual([down.problems, down.families, down.ips], [[], ['IPv4'], ['10.0.0.5']])
  assert.deepEqual(filled({ ...old, clusterIPs: ['10.0.0.5'] }, dual, old).problems, ['spec.ipFamilyPolicy: must be \'SingleStack\' to release the secondary cluster IP'])
  const one: ServiceSpec = { selector, ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4'], clusterIPs: ['10.0.0.5'], clusterIP: '10.0.0.5' }
  assert.deepEqual(filled(one, dual, one).families, ['IPv4'], 'a service that prefers two keeps its one until it is asked again')
  assert.deepEqual(filled({ ...one, ipFamilyPolicy: 'RequireDualStack' }, dual, one).families, ['IPv4', 'IPv6'])
})
