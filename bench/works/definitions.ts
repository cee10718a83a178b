import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startControlPlane, type Endpoint } from '../endpoint.ts'
import { Http1Connection, Http1Pool } from '../http1.ts'
import { measureCount } from '../load.ts'
import { expectStatus } from '../objects.ts'
import { residentMegabytes } from '../processes.ts'
import type { OwnWork, WorkContext } from '../work.ts'

/** Issue and promise. */
const readyWithinSeconds = 3
const memoryMegabytes = 400

const group = 'bench.k8ts.dev'
const text = (maxLength: number): object => ({ type: 'string', maxLength, description: 'One of the many fields that a resource of an operator has, described in a sentence.' })

/** A definition of the size that operators' have: nested objects, lists with keys, defaults, patterns, rules. */
function definition(serial: number): string {
  const plural = `things${serial}`
  const item = {
    type: 'object', required: ['name'],
    properties: { name: { ...text(63), pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' }, port: { type: 'integer', minimum: 1, maximum: 65_535 }, mode: { type: 'string', enum: ['On', 'Off'], default: 'On' }, labels: { type: 'object', maxProperties: 20, additionalProperties: text(63) } },
  }
  const fields = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`field${i}`, i % 3 === 0 ? { type: 'array', maxItems: 20, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], items: item } : i % 3 === 1 ? { type: 'object', properties: { a: text(100), b: { type: 'integer' }, c: { type: 'boolean', default: false } } } : text(200)]))
  const schema = {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { replicas: { type: 'integer', default: 1 }, ...fields }, 'x-kubernetes-validations': [{ rule: 'self.replicas >= 0', message: 'must not be negative' }, { rule: '!has(self.field0) || self.field0.all(x, x.port != 22)' }] },
      status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    },
  }
  return JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${plural}.${group}` },
    spec: { group, scope: 'Namespaced', names: { plural, kind: `Thing${serial}` }, versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: schema } }] },
  })
}

/** Waits until discovery shows all of them. */
async function allServed(endpoint: Endpoint, count: number, context: WorkContext): Promise<void> {
  const connection = await Http1Connection.open(endpoint)
  try {
    for (;;) {
      const { status, body } = await connection.request('GET', `/apis/${group}/v1`, { keepBody: true })
      const served = status === 200 ? (JSON.parse(body.toString()) as { resources: { name: string }[] }).resources.filter(({ name }) => !name.includes('/')).length : 0
      if (served === count) return
      await context.runtime.clock.sleep(20, context.signal)
    }
  } finally {
    connection.close()
  }
}

export const definitions: OwnWork = {
  name: 'definitions',
  summary: '500 CustomResourceDefinitions: installed, then found again by a server that starts',
  async measureOwn(context) {
    const count = context.quick ? 50 : 500
    const { clock } = context.runtime
    const dataDirectory = await mkdtemp(join(tmpdir(), 'k8ts-bench-'))
    const options = { runtime: context.runtime, name: 'k8ts', launcher: context.launcher, dataDirectory }
    try {
      let installMs = 0
      {
        await using controlPlane = await startControlPlane(options)
        const fromMs = clock.monotonicMs()
        {
          using pool = await Http1Pool.open(controlPlane.endpoint, 8)
          await measureCount(context, 8, count, async (worker, serial) => expectStatus((await pool.connections[worker]!.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: definition(serial) })).status, 201, 'creating a definition'))
        }
        await allServed(controlPlane.endpoint, count, context)
        installMs = clock.monotonicMs() - fromMs
      }
      await using controlPlane = await startControlPlane(options)
      const fromMs = clock.monotonicMs()
      await allServed(controlPlane.endpoint, count, context)
      const servedMs = controlPlane.startMs + clock.monotonicMs() - fromMs
      await clock.sleep(context.quick ? 1000 : 10_000, context.signal)
      return [
        { name: `install ${count} definitions`, value: installMs / 1000, unit: 's', note: 'until discovery shows the last' },
        { name: `ready with ${count} definitions`, value: controlPlane.startMs / 1000, unit: 's', target: readyWithinSeconds, note: `all served after ${(servedMs / 1000).toFixed(1)} s` },
        { name: `resident memory with ${count} definitions`, value: await residentMegabytes(context.runtime, controlPlane.endpoint.pid!), unit: 'MB', target: memoryMegabytes },
      ]
    } finally {
      await rm(dataDirectory, { recursive: true, force: true })
    }
  },
}
