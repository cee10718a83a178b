import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Runtime } from '../runtime/runtime.ts'
import { forgetStaleFlows } from './conntrack.ts'
import type { ProxyBackend, ProxyBackendOptions } from './proxy-backend.ts'
import type { ServiceProtocol, ServiceRules } from './service-rules.ts'
import { kernelWorldProblem, openKernelWorld, world, type Answer, type KernelWorld } from './testing/kernel-world.ts'

const servicePort = 80

/** A service with the pods `ips` behind it. */
export function serviceFor(name: string, clusterIP: string, ips: readonly string[], more: Partial<ServiceRules> = {}): ServiceRules {
  return {
    portName: `default/${name}`, namespace: 'default', serviceName: name, protocol: 'TCP', clusterIP, port: servicePort, nodePort: undefined, externalIPs: [], loadBalancerIPs: [],
    loadBalancerSourceRanges: [], affinitySeconds: undefined, internalLocal: false, externalLocal: false, clusterEndpoints: ips.map((ip) => ({ ip, port: world.port })), localEndpoints: [],
    hasEndpoints: ips.length > 0, healthCheckNodePort: undefined, localReadyCount: ips.length, ...more,
  }
}

const seen = (answers: readonly Answer[]): string[] => [...new Set(answers.map((answer) => answer.from))].sort()
const { a, b } = world

/** Holds a backend to the rules of `proxy-backend.ts`, on a real kernel. `traces` lists what of the backend is in the kernel. */
export function proxyBackendContract(name: string, make: (runtime: Runtime, options: ProxyBackendOptions) => ProxyBackend, traces: (node: Runtime) => Promise<string>): void {
  const problem = kernelWorldProblem()
  describe(`the ${name} backend on a real kernel`, { skip: problem ?? false }, () => {
    let place: KernelWorld
    let backend: ProxyBackend
    const options: ProxyBackendOptions = { family: 'IPv4', clusterCIDR: world.podCIDR, nodeIPs: [world.nodeIP], masqueradeAll: false }
    const sync = (...services: ServiceRules[]): Promise<unknown> => backend.sync(services, { full: false })
    before(async () => {
      place = await openKernelWorld()
      backend = make(place.node, options)
    })
    after(async () => {
      await place[Symbol.asyncDispose]()
    })

    test('a pod reaches a service, spread over its endpoints, and keeps its address', async () => {
      await sync(serviceFor('web', '10.250.0.10', [a, b]))
      const answers = await place.ask('client', 'tcp', '10.250.0.10', servicePort, 60)
      const byServer = Object.groupBy(answers, (answer) => answer.from)
      assert.ok((byServer['a']?.length ?? 0) >= 10 && (byServer['b']?.length ?? 0) >= 10, JSON.stringify(seen(answers)))
      assert.deepEqual([...new Set(answers.map((answer) => answer.sees))], [world.client])
    })

    test('the node itself reaches a service', async () => {
      assert.deepEqual(seen(await place.ask('node', 'tcp', '10.250.0.10', servicePort, 20)), ['a', 'b'])
    })

    test('whoever comes from outside the pod range is masqueraded on his way to a cluster IP', async () => {
      assert.deepEqual(await place.ask('outside', 'tcp', '10.250.0.10', servicePort, 1).then((answers) => answers[0]?.sees), world.bridgeIP)
    })

    test('a pod reaches itself through a service', async () => {
      await sync(serviceFor('self', '10.250.0.11', [a]))
      assert.deepEqual(await place.ask('a', 'tcp', '10.250.0.11', servicePort), [{ from: 'a', sees: world.bridgeIP }])
    })

    test('a node port answers outside, on the node, and on its loopback', async () => {
      await sync(serviceFor('np', '10.250.0.12', [a, b], { nodePort: 30080 }))
      const outside = await place.ask('outside', 'tcp', world.nodeIP, 30080, 20)
      assert.deepEqual(seen(outside), ['a', 'b'])
      assert.deepEqual([...new Set(outside.map((answer) => answer.sees))], [world.bridgeIP])
      assert.equal((await place.ask('node', 'tcp', world.nodeIP, 30080)).length, 1)
      assert.equal((await place.ask('node', 'tcp', '127.0.0.1', 30080)).length, 1)
    })

    test('with a local external policy only endpoints of the node answer, and see the client\'s address; pods of the node reach all', async () => {
      await sync(serviceFor('local', '10.250.0.13', [a, b], { nodePort: 30081, externalLocal: true, localEndpoints: [{ ip: b, port: world.port }] }))
      const answers = await place.ask('outside', 'tcp', world.nodeIP, 30081, 12)
      assert.deepEqual(seen(answers), ['b'])
      assert.equal(answers[0]!.sees, world.outsideIP)
      assert.deepEqual(seen(await place.ask('client', 'tcp', world.nodeIP, 30081, 20)), ['a', 'b'])
    })

    test('with a local internal policy only endpoints of the node answer', async () => {
      await sync(serviceFor('inner', '10.250.0.14', [], { internalLocal: true, hasEndpoints: true, localEndpoints: [{ ip: a, port: world.port }] }))
      assert.deepEqual(seen(await place.ask('client', 'tcp', '10.250.0.14', servicePort, 10)), ['a'])
    })

    test('external and load balancer addresses lead to the endpoints, the latter only for those let in', async () => {
      const open = serviceFor('ext', '10.250.0.15', [a], { externalIPs: ['198.51.100.7'], loadBalancerIPs: ['198.51.100.8'], loadBalancerSourceRanges: [`${world.outsideIP}/32`] })
      await sync(open)
      assert.deepEqual(seen(await place.ask('outside', 'tcp', '198.51.100.7', servicePort)), ['a'])
      assert.deepEqual(seen(await place.ask('outside', 'tcp', '198.51.100.8', servicePort)), ['a'])
      assert.deepEqual(await place.askText('client', 'tcp', '198.51.100.8', servicePort), ['!TIMEOUT'])
    })

    test('with affinity a client stays with its endpoint', async () => {
      await sync(serviceFor('sticky', '10.250.0.16', [a, b], { affinitySeconds: 60 }))
      assert.equal(seen(await place.ask('client', 'tcp', '10.250.0.16', servicePort, 20)).length, 1)
    })

    test('UDP is carried, and a flow leaves an endpoint that is gone', async () => {
      const udp = (ips: readonly string[]): ServiceRules => serviceFor('dns', '10.250.0.17', ips, { protocol: 'UDP' as ServiceProtocol, nodePort: 30053 })
      const ask = (): Promise<string[]> => place.askText('client', 'udp', '10.250.0.17', servicePort, { sourcePort: 5353 })
      const change = async (old: ServiceRules | undefined, now: ServiceRules): Promise<void> => {
        await sync(now)
        await forgetStaleFlows(place.node, new Map(old === undefined ? [] : [['dns', old]]), new Map([['dns', now]]), [world.nodeIP])
      }
      const [none, first, second] = [udp([]), udp([a]), udp([b])]
      await change(undefined, none)
      assert.match((await ask())[0]!, /^!/)
      await change(none, first)
      assert.match((await ask())[0]!, /^a /)
      await change(first, second)
      assert.match((await ask())[0]!, /^b /)
      assert.deepEqual(seen(await place.ask('outside', 'udp', world.nodeIP, 30053)), ['b'])
    })

    test('a service without endpoints refuses at once', async () => {
      await sync(serviceFor('empty', '10.250.0.18', [], { nodePort: 30082 }))
      assert.deepEqual(await place.askText('client', 'tcp', '10.250.0.18', servicePort), ['!ECONNREFUSED'])
      assert.deepEqual(await place.askText('node', 'tcp', '10.250.0.18', servicePort), ['!ECONNREFUSED'])
      assert.deepEqual(await place.askText('outside', 'tcp', world.nodeIP, 30082), ['!ECONNREFUSED'])
    })

    test('an endpoint that goes gets no new connection, while another service stays as it is', async () => {
      const [shrinking, other] = [serviceFor('shrinking', '10.250.0.19', [a, b]), serviceFor('other', '10.250.0.20', [b])]
      await sync(shrinking, other)
      await sync(serviceFor('shrinking', '10.250.0.19', [b]), other)
      assert.deepEqual(seen(await place.ask('client', 'tcp', '10.250.0.19', servicePort, 12)), ['b'])
      assert.deepEqual(seen(await place.ask('client', 'tcp', '10.250.0.20', servicePort)), ['b'])
    })

    test('what a former process left is taken over, and what is no longer wanted goes', async () => {
      await sync(serviceFor('old', '10.250.0.21', [a]), serviceFor('kept', '10.250.0.22', [a]))
      backend = make(place.node, options)
      await sync(serviceFor('kept', '10.250.0.22', [b]))
      assert.deepEqual(seen(await place.ask('client', 'tcp', '10.250.0.22', servicePort, 8)), ['b'])
      assert.match((await place.askText('client', 'tcp', '10.250.0.21', servicePort))[0]!, /^!/)
      assert.equal((await traces(place.node)).includes('default/old'), false)
    })

    test('it notices that somebody removed its rules, and a full sync puts them back', async () => {
      assert.equal(await backend.isIntact(), true)
      await make(place.node, options).cleanUp()
      assert.equal(await backend.isIntact(), false)
      await backend.sync([serviceFor('kept', '10.250.0.22', [a])], { full: true })
      assert.equal(await backend.isIntact(), true)
      assert.deepEqual(seen(await place.ask('client', 'tcp', '10.250.0.22', servicePort)), ['a'])
    })

    test('cleaning up leaves nothing', async () => {
      assert.notEqual(await traces(place.node), '')
      await backend.cleanUp()
      assert.equal(await traces(place.node), '')
      await backend.cleanUp()
    })
  })
}
