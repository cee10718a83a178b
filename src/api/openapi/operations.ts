import { apiVersionOf } from '../resource.ts'
import { publishedSchema } from '../custom/published-schema.ts'
import { docOf, parameterDoc } from '../type-docs.ts'
import { answersDeletedObject } from '../resource.ts'
import type { ResourceDescription, SubresourceDescription, Verb } from '../resource.ts'
import type { Definitions, Schema } from './schemas.ts'
import { customDefinitionName } from './names.ts'

/** One parameter, document version aside. */
interface Parameter { name: string; in: 'query' | 'path'; type: 'string' | 'integer' | 'boolean'; description: string; required?: true }
type Method = 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch'
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

/** Parameters of requests with such options, described as upstream describes them. */
function parametersOf(options: string, types: Readonly<Record<string, Parameter['type']>>): Parameter[] {
  return Object.entries(types).map(([name, type]) => ({ name, in: 'query', type, description: parameterDoc(options, name) }))
}

const writeTypes = { dryRun: 'string', fieldManager: 'string', fieldValidation: 'string' } as const
const deleteTypes = { dryRun: 'string', gracePeriodSeconds: 'integer', ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean', orphanDependents: 'boolean', propagationPolicy: 'string' } as const
const selectionTypes = {
  continue: 'string', fieldSelector: 'string', labelSelector: 'string', limit: 'integer', resourceVersion: 'string', resourceVersionMatch: 'string', sendInitialEvents: 'boolean', shardSelector: 'string',
  timeoutSeconds: 'integer',
} as const

/** The sets of parameters that methods have; made on first use, since their texts lie in a file. */
interface ParameterSets { list: Parameter[]; write: Parameter[]; patch: Parameter[]; delete: Parameter[]; deleteCollection: Parameter[]; pretty: Parameter; namespace: Parameter; rest: Parameter }
let made: ParameterSets | undefined

function sets(): ParameterSets {
  const inPath = (name: string): Parameter => ({ name, in: 'path', type: 'string', description: parameterDoc('', name), required: true })
  return (made ??= {
    list: parametersOf('ListOptions', { ...selectionTypes, allowWatchBookmarks: 'boolean', watch: 'boolean' }), write: parametersOf('CreateOptions', writeTypes),
    patch: parametersOf('PatchOptions', { ...writeTypes, force: 'boolean' }), delete: parametersOf('DeleteOptions', deleteTypes),
    deleteCollection: [...parametersOf('DeleteOptions', deleteTypes), ...parametersOf('ListOptions', selectionTypes)],
    pretty: { name: 'pretty', in: 'query', type: 'string', description: parameterDoc('', 'pretty') }, namespace: inPath('namespace'), rest: inPath('path'),
  })
}

/** Options of connections, and of reading logs: what can be asked for in the query. */
const connectionTypes: Readonly<Record<string, Readonly<Record<string, Parameter['type']>>>> = {
  PodExecOptions: { command: 'string', container: 'string', stderr: 'boolean', stdin: 'boolean', stdout: 'boolean', tty: 'boolean' },
  PodAttachOptions: { container: 'string', stderr: 'boolean', stdin: 'boolean', stdout: 'boolean', tty: 'boolean' },
  PodPortForwardOptions: { ports: 'integer' }, PodProxyOptions: { path: 'string' }, ServiceProxyOptions: { path: 'string' }, NodeProxyOptions: { path: 'string' },
  PodLogOptions: {
    container: 'string', follow: 'boolean', insecureSkipTLSVerifyBackend: 'boolean', limitBytes: 'integer', previous: 'boolean', sinceSeconds: 'integer', stream: 'string', tailLines: 'integer', timestamps: 'boolean',
  },
}

function upperFirst(value: string): string {
  return value.charAt(0).toUpperCase() + value.slice(1)
}

/** `CoreV1`, `RbacAuthorizationV1`: the part of an operation id that names the API. */
export function apiName({ group, version }: { group: string; version: string }): string {
  const name = group === '' ? 'core' : group.replace(/\.k8s\.io$/, '').split('.').map(upperFirst).join('')
  return `${upperFirst(name)}${upperFirst(version)}`
}

/** What operations are sorted by: `core_v1`, `rbacAuthorization_v1`, `stableExampleCom_v1`. */
function tagOf({ group, version }: ResourceDescription): string {
  const name = apiName({ group, version: '' })
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}_${version}`
}

function rootOf(resource: ResourceDescription): string {
  return `${resource.group === '' ? '/api/' : '/apis/'}${apiVersionOf(resource)}`
}

const listMetadata = 'Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds'

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
      metadata: definitions.format === 'v2' ? { ...definitions.ref('meta/v1.ListMeta'), description: listMetadata } : { description: listMetadata, allOf: [definitions.ref('meta/v1.ListMeta')] },
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

function operation(verb: Verb, resource: ResourceDescription, schema: { item: Schema; list: Schema }, definitions: Definitions, kind = resource.kind, sub?: SubresourceDescription): Operation {
  const suffix = sub === undefined ? '' : upperFirst(sub.name)
  const { method, action, word } = actions[verb]
  const isCustom = resource.typeId === undefined
  const says = verb === 'list' && (isCustom || !resource.verbs.includes('watch')) ? 'list objects of kind' : actions[verb].says
  const { pretty, list, write, patch, delete: deletion, deleteCollection } = sets()
  const scope = `${verb === 'deletecollection' ? 'Collection' : ''}${resource.namespaced ? 'Namespaced' : ''}`
  const common = {
    ...(isCustom ? { consumes: customTypes } : {}), method, action, id: `${word}${apiName(resource)}${scope}${resource.kind}${suffix}`, description: sub === undefined ? says.endsWith(' a') ? `${says.slice(0, -1)}${withArticle(kind)}` : `${says} ${kind}` : saysOf(verb, sub.name, resource.kind),
    gvk: { group: resource.group, kind, version: resource.version },
    produces: isCustom ? customTypes : verb === 'list' || verb === 'watch' ? listTypes : answerTypes,
  }
  const status = (): Schema => definitions.ref('meta/v1.Status')
  const deleteBody = (): Schema => definitions.ref('meta/v1.DeleteOptions')
  switch (verb) {
    case 'get': return { ...common, parameters: isCustom ? [pretty, ...list.filter(({ name }) => name === 'resourceVersion')] : [pretty], answer: schema.item, codes: [200] }
    case 'list':
    case 'watch': return { ...common, parameters: [pretty, ...list], answer: schema.list, codes: [200] }
    case 'create': return { ...common, parameters: [pretty, ...write], body: schema.item, answer: schema.item, codes: [200, 201, 202] }
    case 'update': return { ...common, parameters: [pretty, ...write], body: schema.item, answer: schema.item, codes: [200, 201] }
    case 'patch': return { ...common, parameters: [pretty, ...patch], body: definitions.special('patch'), consumes: resource.typeId === undefined ? customPatchTypes : patchTypes, answer: schema.item, codes: isCustom ? [200] : [200, 201] }
    case 'delete': return { ...common, parameters: [pretty, ...deletion], body: deleteBody(), answer: answersDeletedObject(resource) ? schema.item : status(), codes: [200, 202] }
    case 'deletecollection': return isCustom ? { ...common, parameters: [pretty, ...list], answer: status(), codes: [200] } : { ...common, parameters: [pretty, ...deleteCollection], body: deleteBody(), answer: status(), codes: [200] }
  }
}

/** `a Pod`, `an Event`, `Endpoints`. */
function withArticle(noun: string): string {
  if (noun.endsWith('s') && !noun.endsWith('ss')) return noun
  return `${/^[aeiou]/i.test(noun) ? 'an' : 'a'} ${noun}`
}

/** `replace status of the specified Pod`, `create binding of a Pod`. */
function saysOf(verb: Verb, subresource: string, kind: string): string {
  const { says } = actions[verb]
  return says.endsWith(' a') ? `${says.slice(0, -2)} ${subresource} of ${withArticle(kind)}` : `${says.replace(/ the specified$/, '')} ${subresource} of the specified ${kind}`
}

const httpMethods: Partial<Record<Verb, Method>> = { create: 'post', get: 'get', update: 'put', patch: 'patch', delete: 'delete' }
const connections = ['attach', 'exec', 'portforward', 'proxy']
const everyMethod: readonly Method[] = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch']

function connectOperations(resource: ResourceDescription, sub: SubresourceDescription): Operation[] {
  const kind = `${resource.kind}${{ attach: 'Attach', exec: 'Exec', portforward: 'PortForward', proxy: 'Proxy' }[sub.name] ?? ''}Options`
  const methods = sub.name === 'proxy' ? everyMethod : (['get', 'post'] as const)
  return methods.map((method) => ({
    method, action: 'connect', parameters: parametersOf(kind, connectionTypes[kind] ?? {}), codes: [200], produces: ['*/*'], description: `connect ${method.toUpperCase()} requests to ${sub.name} of ${resource.kind}`,
    id: `connect${apiName(resource)}${upperFirst(method)}${resource.namespaced ? 'Namespaced' : ''}${resource.kind}${upperFirst(sub.name)}`, gvk: { group: resource.group, kind, version: resource.version },
  }))
}

function subresourceOperations(resource: ResourceDescription, sub: SubresourceDescription, item: Schema, definitions: Definitions): Operation[] {
  if (connections.includes(sub.name)) return connectOperations(resource, sub)
  const group = sub.kind === undefined ? resource.group : sub.group ?? resource.group
  const version = sub.kind === undefined ? resource.version : sub.version ?? resource.version
  const kind = sub.kind ?? resource.kind
  // Of custom resources everything is named after them.
  const gvk = resource.typeId === undefined ? { group: resource.group, kind: resource.kind, version: resource.version } : { group, kind, version }
  if (sub.name === 'log') {
    return [{
      method: 'get', action: 'get', parameters: [sets().pretty, ...parametersOf('PodLogOptions', connectionTypes.PodLogOptions!)], codes: [200], produces: ['text/plain', ...answerTypes],
      description: `read log of the specified ${resource.kind}`, id: `read${apiName(resource)}Namespaced${resource.kind}Log`, gvk,
    }]
  }
  const body = sub.kind === undefined ? item : definitions.ref(`${apiVersionOf({ group, version })}.${kind}`)
  return sub.verbs.filter((verb) => verb in httpMethods).map((verb) => ({ ...operation(verb, resource, { item: body, list: {} }, definitions, kind, sub), gvk }))
}

/** With what all operations of a path share beside it: those parameters are the path's. All are sorted by their names. */
function pathWith(path: Omit<PathDescription, 'parameters'>, own: readonly Parameter[]): PathDescription {
  const sorted = (parameters: readonly Parameter[]): Parameter[] => parameters.toSorted((a, b) => (a.name === b.name ? (a.in < b.in ? -1 : 1) : a.name < b.name ? -1 : 1))
  const keyOf = ({ name, in: where, description }: Parameter): string => `${name} ${where} ${description}`
  const [first, ...others] = path.operations.map(({ parameters }) => parameters)
  const common = (first ?? []).filter((each) => others.every((parameters) => parameters.some((other) => keyOf(other) === keyOf(each))))
  const shared = new Set(common.map(keyOf))
  return { ...path, parameters: sorted([...own, ...common]), operations: path.operations.map((each) => ({ ...each, parameters: sorted(each.parameters.filter((parameter) => !shared.has(keyOf(parameter)))) })) }
}

/** The paths by which watches were asked for before lists took a parameter for it. */
function watchPaths(resource: ResourceDescription, tag: string, named: Parameter, definitions: Definitions): PathDescription[] {
  const root = `${rootOf(resource)}/watch`
  const name = `${apiName(resource)}${resource.namespaced ? 'Namespaced' : ''}${resource.kind}`
  const collection = resource.namespaced ? `${root}/namespaces/{namespace}/${resource.resource}` : `${root}/${resource.resource}`
  const scope = resource.namespaced ? [sets().namespace] : []
  const answer = definitions.ref('meta/v1.WatchEvent')
  const instead = "deprecated: use the 'watch' parameter with a list operation instead"
  const watch = (path: string, own: readonly Parameter[], id: string, action: string, description: string): PathDescription => pathWith({
    path, tag, operations: [{
      method: 'get', action, id, description, parameters: [sets().pretty, ...sets().list], answer, produces: listTypes, codes: [200], gvk: { group: resource.group, kind: resource.kind, version: resource.version },
    }],
  }, own)
  const ofList = `watch individual changes to a list of ${resource.kind}. ${instead}.`
  return [
    watch(collection, scope, `watch${name}List`, 'watchlist', ofList),
    watch(`${collection}/{name}`, [named, ...scope], `watch${name}`, 'watch', `watch changes to an object of kind ${resource.kind}. ${instead}, filtered to a single item with the 'fieldSelector' parameter.`),
    ...(resource.namespaced ? [watch(`${root}/${resource.resource}`, [], `watch${apiName(resource)}${resource.kind}ListForAllNamespaces`, 'watchlist', ofList)] : []),
  ]
}

/** Every path of a resource with what its methods do. */
export function pathsOf(resource: ResourceDescription, definitions: Definitions): PathDescription[] {
  const schema = schemaOf(resource, definitions)
  const root = rootOf(resource)
  const tag = tagOf(resource)
  const collection = resource.namespaced ? `${root}/namespaces/{namespace}/${resource.resource}` : `${root}/${resource.resource}`
  const scope = resource.namespaced ? [sets().namespace] : []
  const named = (kind: string): Parameter => ({ name: 'name', in: 'path', type: 'string', description: `name of the ${kind}`, required: true })
  const of = (verbs: readonly Verb[]): Operation[] => verbs.filter((verb) => resource.verbs.includes(verb)).map((verb) => operation(verb, resource, schema, definitions))
  const paths: PathDescription[] = [
    pathWith({ path: collection, tag, operations: of(['list', 'create', 'deletecollection']) }, scope),
    pathWith({ path: `${collection}/{name}`, tag, operations: of(['get', 'update', 'patch', 'delete']) }, [named(resource.kind), ...scope]),
  ]
  for (const sub of resource.subresources) {
    const operations = subresourceOperations(resource, sub, schema.item, definitions)
    const own = [named(operations[0]?.gvk.kind ?? resource.kind), ...scope]
    const path = `${collection}/{name}/${sub.name}`
    paths.push(pathWith({ path, tag, operations }, own))
    if (sub.name === 'proxy') paths.push(pathWith({ path: `${path}/{path}`, tag, operations: operations.map((each) => ({ ...each, id: `${each.id}WithPath` })) }, [...own, sets().rest]))
  }
  if (resource.namespaced && resource.verbs.includes('list')) {
    const list = operation('list', resource, schema, definitions)
    paths.push(pathWith({ path: `${root}/${resource.resource}`, tag, operations: [{ ...list, id: `list${apiName(resource)}${resource.kind}ForAllNamespaces` }] }, []))
  }
  if (resource.typeId !== undefined && resource.verbs.includes('watch')) paths.push(...watchPaths(resource, tag, named(resource.kind), definitions))
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
  return { description: operation.description, operationId: operation.id, tags: [tag], 'x-kubernetes-action': operation.action, 'x-kubernetes-group-version-kind': { group: operation.gvk.group, version: operation.gvk.version, kind: operation.gvk.kind } }
}

/** A path item of an OpenAPI v2 document. */
export function pathItemV2(path: PathDescription): Schema {
  const parameter = ({ name, in: where, type, description, required }: Parameter): Schema =>
    ({ uniqueItems: true, type, description, name, in: where, ...(required === undefined ? {} : { required }) })
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
