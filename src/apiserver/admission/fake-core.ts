import { groupResourceOf, type ResourceDescription, type UserInfo } from '../../api/resource.ts'
import { deepFreeze, type KubeObject, type OpenObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import { testRuntime, type TestRuntime } from '../../runtime/runtime.ts'
import { fakeReader, type FakeReader } from '../authorization/fake-reader.ts'
import type { AdmissionAttributes, AdmissionOperation, AuthorizationAttributes } from '../context.ts'
import type { ApiServerCore, Registry } from '../core.ts'

/** An `ApiServerCore` over objects in a `FakeReader`, without strategies, admission or a store: for tests of the parts built on a core. */
export interface FakeCore extends ApiServerCore {
  readonly runtime: TestRuntime
  readonly reader: FakeReader
  /** Who is allowed what by `authorize`; nothing unless a test says so. */
  allow: (attributes: AuthorizationAttributes) => boolean
  /** Every write so far: `create pods web/a`. */
  readonly writes: string[]
}

/** The least that a resource description must hold. */
export function fakeResource(resource: string, group = '', kind = resource): ResourceDescription {
  return {
    group, version: 'v1', resource, singular: resource, kind, listKind: `${kind}List`, namespaced: true, shortNames: [], categories: [], verbs: [], subresources: [],
    storagePrefix: `/registry/${resource}/`, storageVersion: 'v1', columns: [], printRow: () => [], selectableFields: {}, strategy: {},
  }
}

export function fakeCore(): FakeCore {
  const reader = fakeReader()
  const runtime = testRuntime()
  const writes: string[] = []
  let revision = 0
  const put = (resource: ResourceDescription, namespace: string, object: OpenObject): Readonly<OpenObject> => {
    object.metadata = { ...object.metadata, ...(namespace === '' ? {} : { namespace }), resourceVersion: String(++revision) }
    reader.put(groupResourceOf(resource), deepFreeze(object))
    return object
  }
  const find = (resource: ResourceDescription, namespace: string, name: string): Readonly<OpenObject> | undefined => reader.get(groupResourceOf(resource), namespace, name) as Readonly<OpenObject> | undefined
  const registry: Registry = {
    find: async (resource, namespace, name) => find(resource, namespace, name),
    findNow: (resource, namespace, name) => find(resource, namespace, name),
    async get(resource, namespace, name) {
      const object = find(resource, namespace, name)
      if (object === undefined) throw errors.notFound(resource, name)
      return object
    },
    listNow: (resource, namespace) => reader.list(groupResourceOf(resource), namespace === '' ? undefined : namespace) as readonly Readonly<OpenObject>[],
    list: async (resource, namespace) => reader.list(groupResourceOf(resource), namespace === '' ? undefined : namespace) as readonly Readonly<OpenObject>[],
    async create(resource, namespace, object) {
      const { name = '' } = object.metadata
      if (find(resource, namespace, name) !== undefined) throw errors.alreadyExists(resource, name)
      writes.push(`create ${groupResourceOf(resource)} ${namespace}/${name}`)
      object.metadata.uid ??= runtime.random.uuid()
      return put(resource, namespace, object)
    },
    async update(resource, namespace, name, change, options) {
      const standing = find(resource, namespace, name)
      if (standing === undefined) throw errors.notFound(resource, name)
      const copy = structuredClone(standing)
      const next = (await change(copy)) ?? copy
      if (JSON.stringify(next) === JSON.stringify(standing) || options.dryRun === true) return next
      writes.push(`update ${groupResourceOf(resource)} ${namespace}/${name}`)
      return put(resource, namespace, next)
    },
    async delete(resource, namespace, name, options) {
      const standing = find(resource, namespace, name)
      if (standing === undefined) throw errors.notFound(resource, name)
      if (options.dryRun !== true) {
        writes.push(`delete ${groupResourceOf(resource)} ${namespace}/${name}`)
        reader.remove(groupResourceOf(resource), namespace, name)
      }
      return { object: standing, removed: true }
    },
  }
  const core: FakeCore = {
    runtime, reader, registry, writes, signal: new AbortController().signal, allow: () => false,
    resource: (resource, group = '') => fakeResource(resource, group),
    rulesFor: async () => ({ resourceRules: [], nonResourceRules: [], incomplete: false, errors: [] }),
    authorize: async (attributes) => (core.allow(attributes) ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: '' }),
    authenticate: () => undefined,
    forget: () => undefined, endWatches: () => undefined,
    // These fakes have neither a store nor a table; what needs them is tested on the real core.
    get store(): never { throw new Error('this core has no store') },
    get resources(): never { throw new Error('this core has no resource table') },
  }
  return core
}

export const testUser: UserInfo = { username: 'ann', groups: ['system:authenticated'] }

/** A request as admission sees it. */
export function admissionOf(operation: AdmissionOperation, resource: ResourceDescription, object: KubeObject | undefined, more: Partial<AdmissionAttributes> = {}): AdmissionAttributes {
  return {
    operation, resource, subresource: '', namespace: object?.metadata.namespace ?? '', name: object?.metadata.name ?? '', object, oldObject: undefined, user: testUser,
    dryRun: false, options: {}, warn: () => undefined, annotateAudit: () => undefined, reinvocation: { isSecondRun: false, request: () => undefined, state: new Map() }, ...more,
  }
}
