/**
 * Every `testdata/NAME.input.yaml` goes through decoding, defaults, strategy and validation as the API server does it, and
 * must come out as `NAME.expected.yaml`. One document is a creation; two are an update, the old object first.
 * `# subresource: status` in the first line sends the update through a subresource.
 * `UPDATE=1 node --test …` writes what comes out as what is expected.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { fieldErrorText } from '../../machinery/field-error.ts'
import { deepFreeze } from '../../machinery/object.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { decodeObject } from '../../machinery/schema-decode.ts'
import { builtinResources } from '../builtin.ts'
import { groupResourceOf, type ResourceDescription, type Strategy, type StrategyContext } from '../resource.ts'
import { typeForKind } from '../type-table.ts'
import { statusStrategyFor, strategyFor, subresourceStrategyFor } from './strategies.ts'

const table = builtinResources()
const dir = join(import.meta.dirname, 'testdata')

interface Outcome { object?: OpenObject; errors?: string[]; warnings?: string[] }

function resourceOf(object: OpenObject): ResourceDescription {
  const [group, version] = object.apiVersion?.includes('/') === true ? object.apiVersion.split('/') : ['', object.apiVersion]
  const resource = table.findKind(group ?? '', version ?? '', object.kind ?? '')
  assert.ok(resource !== undefined, `no resource for ${object.apiVersion} ${object.kind}`)
  return resource
}

const context: StrategyContext = {
  nowMs: Date.UTC(2026, 0, 2), user: { username: 'jane', groups: ['dev', 'system:authenticated'] }, subresource: '', dryRun: false,
  warn: (message) => assert.fail(message),
}

function decoded(resource: ResourceDescription, document: OpenObject): OpenObject {
  const type = typeForKind(document.apiVersion ?? '', document.kind ?? '')
  assert.ok(type !== undefined)
  const object = decodeObject(type, structuredClone(document)).value as OpenObject
  resource.applyDefaults?.(object)
  if (resource.namespaced) object.metadata.namespace ??= 'default'
  return object
}

function created(resource: ResourceDescription, document: OpenObject): OpenObject {
  const object = decoded(resource, document)
  object.metadata.uid ??= 'uid-1'
  resource.strategy.prepareForCreate?.(object, context)
  return object
}

function runCase(documents: OpenObject[], subresource: string): Outcome {
  const [first, second] = documents as [OpenObject, OpenObject | undefined]
  const resource = resourceOf(first)
  const { group, resource: name } = resource
  const old = created(resource, first)
  if (second === undefined) return outcomeOf(old, resource.strategy.validate?.(old, context) ?? [], resource.strategy.warnings?.(old, undefined) ?? [])
  if (first.status !== undefined) old.status = first.status
  if (first.metadata.deletionTimestamp !== undefined) old.metadata.deletionTimestamp = first.metadata.deletionTimestamp
  deepFreeze(old)
  const strategy = subresource === '' ? resource.strategy : subresourceStrategyFor(group, name, subresource)
  assert.ok(strategy !== undefined, subresource)
  const object = decoded(resource, second)
  object.metadata.uid ??= old.metadata.uid
  if (old.metadata.generation !== undefined) object.metadata.generation = old.metadata.generation
  if (old.metadata.deletionTimestamp !== undefined) object.metadata.deletionTimestamp = old.metadata.deletionTimestamp
  strategy.prepareForUpdate?.(object, old, context)
  return outcomeOf(object, strategy.validateUpdate?.(object, old, context) ?? [], strategy.warnings?.(object, old) ?? [])
}

function outcomeOf(object: OpenObject, problems: Parameters<typeof fieldErrorText>[0][], warnings: string[]): Outcome {
  const errors = problems.map((problem) => `${problem.path}: ${fieldErrorText(problem)}`)
  return { ...(errors.length === 0 ? { object } : { errors }), ...(warnings.length === 0 ? {} : { warnings }) }
}

for (const entry of readdirSync(dir).filter((file) => file.endsWith('.input.yaml')).sort()) {
  const name = entry.slice(0, -'.input.yaml'.length)
  test(name.replaceAll('-', ' '), () => {
    const text = readFileSync(join(dir, entry), 'utf8')
    const subresource = /^# subresource: (\S+)/.exec(text)?.[1] ?? ''
    const documents = parseAllDocuments(text).map((document) => document.toJS() as OpenObject)
    const outcome = JSON.parse(JSON.stringify(runCase(documents, subresource))) as Outcome
    const expectedPath = join(dir, `${name}.expected.yaml`)
    if (process.env.UPDATE === '1') writeFileSync(expectedPath, stringify(outcome, { lineWidth: 0 }))
    assert.deepEqual(outcome, parse(readFileSync(expectedPath, 'utf8')))
  })
}

test('pods are given their grace period, and none when there is nobody to wait for', () => {
  const grace = strategyFor('', 'pods').gracePeriodSeconds
  assert.ok(grace !== undefined)
  const pod = (nodeName: string | undefined, phase: string): OpenObject => ({ metadata: {}, spec: { nodeName, terminationGracePeriodSeconds: 30 }, status: { phase } })
  for (const [object, requested, expected] of [
    [pod('n', 'Running'), undefined, 30], [pod('n', 'Running'), 5, 5], [pod('n', 'Running'), 0, 0], [pod('n', 'Running'), -3, 1], [pod(undefined, 'Pending'), 5, 0], [pod('n', 'Failed'), undefined, 0],
    [pod('n', 'Succeeded'), 20, 0],
  ] as const) assert.equal(grace(object, requested), expected)
})

test('of all kinds, few are created by PUT, and few differ in what deletion does to dependents', () => {
  const kinds = builtinResources().all().filter(({ virtual }) => virtual !== true)
  const namesOf = (test: (strategy: Strategy) => boolean): string[] => [...new Set(kinds.filter(({ strategy }) => test(strategy)).map(groupResourceOf))].sort()
  assert.deepEqual(namesOf(({ allowCreateOnUpdate }) => allowCreateOnUpdate === true), [
    'clusterrolebindings.rbac.authorization.k8s.io', 'clusterroles.rbac.authorization.k8s.io', 'endpoints', 'events', 'events.events.k8s.io', 'leases.coordination.k8s.io', 'limitranges',
    'rolebindings.rbac.authorization.k8s.io', 'roles.rbac.authorization.k8s.io', 'runtimeclasses.node.k8s.io', 'services',
  ])
  assert.deepEqual(namesOf(({ defaultPropagation }) => defaultPropagation === 'Orphan'), ['jobs.batch', 'replicationcontrollers'])
  assert.deepEqual(namesOf(({ defaultPropagation }) => defaultPropagation === 'Unsupported'), ['events', 'events.events.k8s.io'])
})

test('some statuses are written without their metadata', () => {
  const some = (size: string): OpenObject => ({ metadata: { name: 'a', labels: { size } }, spec: {}, status: { conditions: [{ type: size }] } }) as never
  for (const [group, resource] of [
    ['networking.k8s.io', 'servicecidrs'],
    ['resource.k8s.io', 'devicetaintrules'],
    ['resource.k8s.io', 'resourcepoolstatusrequests'],
    ['scheduling.k8s.io', 'podgroups'],
    ['storagemigration.k8s.io', 'storageversionmigrations'],
    ['internal.apiserver.k8s.io', 'storageversions'],
  ] as const) {
    const next = some('new')
    statusStrategyFor(group, resource).prepareForUpdate!(next, some('old'), { now: '', user: { username: 'a', groups: [] } } as never)
    assert.deepEqual([next.metadata.labels, next.status], [{ size: 'old' }, { conditions: [{ type: 'new' }] }], resource)
  }
})

test('strategies know what PUT may create and what deletion does to dependents', () => {
  assert.equal(strategyFor('coordination.k8s.io', 'leases').allowCreateOnUpdate, true)
  assert.equal(strategyFor('', 'pods').allowCreateOnUpdate, false)
  assert.equal(strategyFor('', 'replicationcontrollers').defaultPropagation, 'Orphan')
  assert.equal(strategyFor('apps', 'deployments').defaultPropagation, 'Background')
  assert.equal(strategyFor('policy', 'poddisruptionbudgets').allowUnconditionalUpdate, false)
  assert.equal(strategyFor('apps', 'deployments'), strategyFor('apps', 'deployments'))
  assert.equal(statusStrategyFor('', 'constructor').allowUnconditionalUpdate, true)
})

test('every built-in resource has a strategy that takes the least an object can be, or says what is missing', () => {
  for (const resource of table.all().filter((any) => any.virtual !== true)) {
    const type = typeForKind(resource.group === '' ? resource.version : `${resource.group}/${resource.version}`, resource.kind)
    assert.ok(type !== undefined, resource.kind)
    const object = decodeObject(type, { metadata: { name: 'x', ...(resource.namespaced ? { namespace: 'default' } : {}) }, kind: resource.kind }).value as OpenObject
    resource.applyDefaults?.(object)
    resource.strategy.prepareForCreate?.(object, context)
    const errors = resource.strategy.validate?.(object, context) ?? []
    assert.deepEqual(errors.filter((error) => error.path.startsWith('metadata.namespace')), [], `${resource.resource} is taken for what it is not`)
    const next = structuredClone(object)
    deepFreeze(object)
    resource.strategy.prepareForUpdate?.(next, object, context)
    resource.strategy.validateUpdate?.(next, object, context)
    for (const subresource of resource.subresources) subresource.strategy?.prepareForUpdate?.(structuredClone(object), object, context)
  }
})
