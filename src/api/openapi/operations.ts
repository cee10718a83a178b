import { apiVersionOf } from '../resource.ts'
import { publishedSchema } from '../custom/published-schema.ts'
import { docOf } from '../type-docs.ts'
import type { ResourceDescription, SubresourceDescription, Verb } from '../resource.ts'
import type { Definitions, Schema } from './schemas.ts'
import { customDefinitionName } from './names.ts'

/** One parameter, document version aside. */
interface Parameter { name: string; in: 'query' | 'path'; type: 'string' | 'integer' | 'boolean'; description: string; required?: true }
type Method = 'get' | 'put' | 'post' | 'delete' | 'patch'
/** What one method of one path does. */
interface Operation {
  method: Method
  action: string
  id: string
  description: string
  parameters: readonly Parameter[]
  /** Body and answer; undefined for none, and for connections. */
  body?: Schema
  /** Media types of its body, where it takes others than plain objects. */
  consumes?: readonly string[]
  answer?: Schema
  /** Media types of its answer. */
  produces: readonly string[]
  codes: readonly number[]
  gvk: { group: string; version: string; kind: string }
}
export interface PathDescription { path: string; parameters: readonly Parameter[]; operations: readonly Operation[]; tag: string }

const text = (name: string, description: string): Parameter => ({ name, in: 'query', type: 'string', description })
const whole = (name: string, description: string): Parameter => ({ name, in: 'query', type: 'integer', description })
const flag = (name: string, description: string): Parameter => ({ name, in: 'query', type: 'boolean', description })

const dryRun = text('dryRun', 'All: the request goes through every stage, but nothing is stored.')
const fieldManager = text('fieldManager', 'Name of who makes the change; required for apply patches.')
const fieldValidation = text('fieldValidation', 'What to do about unknown and duplicate fields: Ignore, Warn (the default) or Strict.')
const force = flag('force', 'Apply patches only: take over fields that others own.')
const pretty = text('pretty', 'true: indent the answer.')
const labelSelector = text('labelSelector', 'A selector to restrict the list of returned objects by their labels. Defaults to everything.')
const fieldSelector = text('fieldSelector', 'A selector to restrict the list of returned objects by their fields. Defaults to everything.')
const resourceVersion = text('resourceVersion', 'Which version of the data to answer with.')
const resourceVersionMatch = text('resourceVersionMatch', 'How resourceVersion is meant: NotOlderThan or Exact.')
const limit = whole('limit', 'At most so many objects; the rest follows with continue.')
const continueToken = text('continue', 'The token of the list that this one goes on with.')
const timeoutSeconds = whole('timeoutSeconds', 'How long the call may take.')
const sendInitialEvents = flag('sendInitialEvents', 'A watch begins with what there is, then a bookmark.')
const watch = flag('watch', 'Watch for changes to the described resources and return them as a stream of add, update, and remove notifications. Specify resourceVersion.')
const allowWatchBookmarks = flag('allowWatchBookmarks', 'A watch may hold events of type BOOKMARK.')
const gracePeriodSeconds = whole('gracePeriodSeconds', 'Seconds the object has to end; 0 deletes at once.')
const orphanDependents = flag('orphanDependents', 'Deprecated in favour of propagationPolicy.')
const propagationPolicy = text('propagationPolicy', 'What happens to dependents: Orphan, Background or Foreground.')
const namespaceParameter: Parameter = { name: 'namespace', in: 'path', type: 'string', description: 'Namespace of the object', required: true }

const listParameters = [allowWatchBookmarks, continueToken, fieldSelector, labelSelector, limit, resourceVersion, resourceVersionMatch, sendInitialEvents, timeoutSeconds, watch]
const writeParameters = [dryRun, fieldManager, fieldValidation]
const deleteParameters = [dryRun, gracePeriodSeconds, orphanDependents, propagationPolicy]
const deleteCollectionParameters = [
  continueToken, dryRun, fieldSelector, gracePeriodSeconds, labelSelector, limit, orphanDependents, propagationPolicy, resourceVersion, resourceVersionMatch, sendInitialEvents, timeoutSeconds,
]

function upperFirst(value: string): string {
  return value.charAt(0).toUpperCase() + value.slice(1)
}

/** `CoreV1`, `RbacAuthorizationV1`: the part of an operation id that names the API. */
export function apiName({ group, version }: { group: string; version: string }): string {
  const name = group === '' ? 'core' : group.replace(/\.k8s\.io$/, '').split('.').map(upperFirst).join('')
  return `${upperFirst(name)}${upperFirst(version)}`
}

/** What operations are sorted by: `core_v1`, `rbacAuthorization_v1`; custom resources' have their group in full. */
function tagOf({ group, version, typeId }: ResourceDescription): string {
  if (typeId === undefined) return `${group}_${version}`
  const name = apiName({ group, version: '' })
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}_${version}`
}

function rootOf(resource: ResourceDescription): string {
  return `${resource.group === '' ? '/api/' : '/apis/'}${apiVersionOf(resource)}`
}

/** The schema of a resource: from the tables, or what its definition carries. */
function schemaOf(resource: ResourceDescription, definitions: Definitions): { item: Schema; list: Schema } {
  const { group, version, kind, typeId } = resource
  if (typeId !== undefined) {
    // Kinds that are never stored have no list type.
    return { item: definitions.ref(typeId), list: resource.verbs.includes('list') ? definitions.ref(`${apiVersionOf(resource)}.${resource.listKind}`) : {} }
  }
  const fields = Object.keys(resource.selectableFields ?? {}).map((fieldPath) => ({ fieldPath }))
  const selectable = fields.length === 0 ? {} : { 'x-kubernetes-selectable-fields': fields }
  const item = definitions.add(customDefinitionName(group, version, kind), {
    ...publishedSchema(resource.schema ?? { 'x-kubernetes-preserve-unknown-fields': true }, definitions.format, definitions.ref('meta/v1.ObjectMeta')), 'x-kubernetes-group-version-kind': [{ group, kind, version }], ...selectable,
  })
  const list = definitions.add(customDefinitionName(group, version, resource.listKind), {
    type: 'object', required: ['items'], description: `${resource.listKind} is a list of ${kind}`,
    properties: {
      apiVersion: { type: 'string', description: docOf('v1.ConfigMapList', 'apiVersion') }, kind: { type: 'string', description: docOf('v1.ConfigMapList', 'kind') },
      metadata: definitions.ref('meta/v1.ListMeta'),
      items: { type: 'array', items: item, description: `List of ${resource.resource}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md` },
    },
    'x-kubernetes-group-version-kind': [{ group, kind: resource.listKind, version }], ...selectable,
  })
  return { item, list }
}

const actions: Record<Verb, { method: Method; action: string; word: string; says: string }> = {
  get: { method: 'get', action: 'get', word: 'read', says: 'read the specified' },
  list: { method: 'get', action: 'list', word: 'list', says: 'list or watch objects of kind' },
  watch: { method: 'get', action: 'watch', word: 'watch', says: 'watch objects of kind' },
  create: { method: 'post', action: 'post', word: 'create', says: 'create a' },
  update: { method: 'put', action: 'put', word: 'replace', says: 'replace the specified' },
  patch: { method: 'patch', action: 'patch', word: 'patch', says: 'partially update the specified' },
  delete: { method: 'delete', action: 'delete', word: 'delete', says: 'delete a' },
  deletecollection: { method: 'delete', action: 'deletecollection', word: 'delete', says: 'delete collection of' },
}

function operation(verb: Verb, resource: ResourceDescription, schema: { item: Schema; list: Schema }, definitions: Definitions, kind = resource.kind, suffix = ''): Operation {
  const { method, action, word, says } = actions[verb]
  const scope = `${verb === 'deletecollection' ? 'Collection' : ''}${resource.namespaced ? 'Namespaced' : ''}`
  const common = {
    method, action, id: `${word}${apiName(resource)}${scope}${resource.kind}${suffix}`, description: `${says} ${kind}`,
    gvk: { group: resource.group, kind, version: resource.version },
    produces: resource.typeId === undefined ? customTypes : verb === 'list' || verb === 'watch' ? listTypes : answerTypes,
  }
  const status = (): Schema => definitions.ref('meta/v1.Status')
  const deleteBody = (): Schema => definitions.ref('meta/v1.DeleteOptions')
  switch (verb) {
    case 'get': return { ...common, parameters: [], answer: schema.item, codes: [200] }
    case 'list':
    case 'watch': return { ...common, parameters: listParameters, answer: schema.list, codes: [200] }
    case 'create': return { ...common, parameters: writeParameters, body: schema.item, answer: schema.item, codes: [200, 201, 202] }
    case 'update': return { ...common, parameters: writeParameters, body: schema.item, answer: schema.item, codes: [200, 201] }
    case 'patch': return { ...common, parameters: [...writeParameters, force], body: definitions.special('patch'), consumes: resource.typeId === undefined ? customPatchTypes : patchTypes, answer: schema.item, codes: [200, 201] }
    case 'delete': return { ...common, parameters: deleteParameters, body: deleteBody(), answer: status(), codes: [200, 202] }
    case 'deletecollection': return { ...common, parameters: deleteCollectionParameters, body: deleteBody(), answer: status(), codes: [200] }
  }
}

const httpMethods: Partial<Record<Verb, Method>> = { create: 'post', get: 'get', update: 'put', patch: 'patch', delete: 'delete' }
const connections = ['attach', 'exec', 'portforward', 'proxy']

function subresourceOperations(resource: ResourceDescription, sub: SubresourceDescription, item: Schema, definitions: Definitions): Operation[] {
  const suffix = upperFirst(sub.name)
  const group = sub.kind === undefined ? resource.group : sub.group ?? resource.group
  const version = sub.kind === undefined ? resource.version : sub.version ?? resource.version
  const kind = sub.kind ?? resource.kind
  if (connections.includes(sub.name) || sub.name === 'log') {
    return sub.verbs.flatMap((verb) => {
      const method = httpMethods[verb]
      if (method === undefined) return []
      const isLog = sub.name === 'log'
      return [{
        method, action: isLog ? 'get' : 'connect', parameters: [], codes: [200], produces: isLog ? ['text/plain', ...answerTypes] : ['*/*'], description: `${isLog ? 'read' : 'connect'} ${sub.name} of ${resource.kind}`,
        id: isLog ? `read${apiName(resource)}Namespaced${resource.kind}Log` : `connect${apiName(resource)}${upperFirst(method)}${resource.namespaced ? 'Namespaced' : ''}${resource.kind}${suffix}`,
        gvk: { group, kind, version },
      }]
    })
  }
  const body = sub.kind === undefined ? item : definitions.ref(`${apiVersionOf({ group, version })}.${kind}`)
  return sub.verbs.filter((verb) => verb in httpMethods)
    .map((verb) => ({ ...operation(verb, resource, { item: body, list: {} }, definitions, kind, suffix), gvk: { group, kind, version } }))
}

/** Every path of a resource with what its methods do. */
export function pathsOf(resource: ResourceDescription, definitions: Definitions): PathDescription[] {
  const schema = schemaOf(resource, definitions)
  const root = rootOf(resource)
  const tag = tagOf(resource)
  const collection = resource.namespaced ? `${root}/namespaces/{namespace}/${resource.resource}` : `${root}/${resource.resource}`
  const scope = resource.namespaced ? [namespaceParameter] : []
  const nameParameter: Parameter = { name: 'name', in: 'path', type: 'string', description: `name of the ${resource.kind}`, required: true }
  const of = (verbs: readonly Verb[]) => verbs.filter((verb) => resource.verbs.includes(verb)).map((verb) => operation(verb, resource, schema, definitions))
  const paths: PathDescription[] = [
    { path: collection, tag, parameters: [...scope, pretty], operations: of(['list', 'create', 'deletecollection']) },
    { path: `${collection}/{name}`, tag, parameters: [nameParameter, ...scope, pretty], operations: of(['get', 'update', 'patch', 'delete']) },
    ...resource.subresources.map((sub) => ({
      path: `${collection}/{name}/${sub.name}`, tag, parameters: [nameParameter, ...scope, pretty], operations: subresourceOperations(resource, sub, schema.item, definitions),
    })),
  ]
  if (resource.subresources.some((sub) => sub.name === 'proxy')) {
    const rest: Parameter = { name: 'path', in: 'path', type: 'string', description: `path to the resource behind the ${resource.kind}`, required: true }
    const proxy = paths.find(({ path }) => path.endsWith('/{name}/proxy'))
    if (proxy !== undefined) {
      paths.push({ ...proxy, path: `${proxy.path}/{path}`, parameters: [...proxy.parameters, rest], operations: proxy.operations.map((item) => ({ ...item, id: `${item.id}WithPath` })) })
    }
  }
  if (resource.namespaced && resource.verbs.includes('list')) {
    const list = operation('list', resource, schema, definitions)
    paths.push({ path: `${root}/${resource.resource}`, tag, parameters: [pretty], operations: [{ ...list, id: `list${apiName(resource)}${resource.kind}ForAllNamespaces` }] })
  }
  return paths.filter((path) => path.operations.length > 0)
}

const answerTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
/** Lists can be watched, and are then streams. */
const listTypes = [...answerTypes, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']
const customTypes = answerTypes.slice(0, 2)
const patchTypes = ['application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json', 'application/apply-patch+yaml']
/** Strategic merge needs to know the type: clients look here whether it does. */
const customPatchTypes = patchTypes.filter((type) => !type.includes('strategic'))
const codeTexts: Record<number, string> = { 200: 'OK', 201: 'Created', 202: 'Accepted' }

function shared(operation: Operation, tag: string): Schema {
  return { description: operation.description, operationId: operation.id, tags: [tag], 'x-kubernetes-action': operation.action, 'x-kubernetes-group-version-kind': operation.gvk }
}

/** A path item of an OpenAPI v2 document. */
export function pathItemV2(path: PathDescription): Schema {
  const parameter = ({ name, in: where, type, description, required }: Parameter): Schema =>
    ({ name, in: where, type, description, uniqueItems: true, ...(required === undefined ? {} : { required }) })
  const item: Schema = { parameters: path.parameters.map(parameter) }
  for (const operation of path.operations) {
    const body = operation.body === undefined ? [] : [{ name: 'body', in: 'body', ...(operation.method === 'delete' ? {} : { required: true }), schema: operation.body }]
    const parameters = [...body, ...operation.parameters.map(parameter)]
    item[operation.method] = {
      ...shared(operation, path.tag), consumes: operation.consumes ?? ['*/*'], produces: operation.produces, schemes: ['https'],
      ...(parameters.length === 0 ? {} : { parameters }),
      responses: {
        ...Object.fromEntries(operation.codes.map((code) => [String(code), { description: codeTexts[code], schema: operation.answer ?? { type: 'string' } }])),
        401: { description: 'Unauthorized' },
      },
    }
  }
  return item
}

/** A path item of an OpenAPI v3 document. */
export function pathItemV3(path: PathDescription): Schema {
  const parameter = ({ name, in: where, type, description, required }: Parameter): Schema =>
    ({ name, in: where, description, schema: { type, uniqueItems: true }, ...(required === undefined ? {} : { required }) })
  const content = (types: readonly string[], schema: Schema) => Object.fromEntries(types.map((type) => [type, { schema }]))
  const item: Schema = { parameters: path.parameters.map(parameter) }
  for (const operation of path.operations) {
    item[operation.method] = {
      ...shared(operation, path.tag),
      ...(operation.parameters.length === 0 ? {} : { parameters: operation.parameters.map(parameter) }),
      ...(operation.body === undefined ? {} : { requestBody: { content: content(operation.consumes ?? ['*/*'], operation.body), ...(operation.method === 'delete' ? {} : { required: true }) } }),
      responses: {
        ...Object.fromEntries(operation.codes.map((code) => [String(code), {
          description: codeTexts[code], content: content(operation.produces, operation.answer ?? { type: 'string' }),
        }])),
        401: { description: 'Unauthorized' },
      },
    }
  }
  return item
}
