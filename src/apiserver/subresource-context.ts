import { apiVersionOf } from '../api/resource.ts'
import type { KubeObject, OpenObject } from '../machinery/object.ts'
import { errors } from '../machinery/status.ts'
import { fieldManagerOfKind, managerOf } from './field-management/field-manager.ts'
import { answerList, answerObject, writeParameters, kindOf, readObject, warnIn, type VerbContext } from './verb-context.ts'
import type { BodyKind, SubresourceContext } from './subresources.ts'

/** What a handler of a subresource or a virtual resource works with. */
export function contextFor(context: VerbContext): SubresourceContext {
  const { server, request, info, user, resource, subresource } = context
  // What is connected to has its own query.
  const isConnection = connections.has(info.subresource)
  const parameters = isConnection ? undefined : info.verb === 'create' || info.verb === 'update' || info.verb === 'patch' ? writeParameters(request.query, optionKinds[info.verb]) : undefined
  const dryRun = parameters?.dryRun ?? false
  const warn = warnIn(context)
  return {
    core: server.core, request, info, user, resource, subresource, dryRun, warn,
    async readObject(kind: BodyKind = ownKind(context)) {
      const object = await readObject(context, kind, parameters?.validation ?? 'Warn')
      const described = server.core.resources.findKind(kind.group, kind.version, kind.kind)
      described?.applyDefaults?.(object)
      return object
    },
    async prepare(object, { keepsSystemFields = false } = {}) {
      object.metadata ??= {}
      if (!keepsSystemFields) for (const field of systemFields) delete object.metadata[field]
      placeInNamespace(object, info.namespace)
      const { group, version, kind } = ownKind(context)
      const fields = fieldManagerOfKind(kind, apiVersionOf({ group, version }), info.subresource)
      await fields.created(object, managerOf(request.query.get('fieldManager'), request.headers['user-agent']), server.core.runtime.clock.now())
    },
    async admit(operation, object: KubeObject | undefined, oldObject, between) {
      const admission = {
        operation, resource, subresource: info.subresource, namespace: info.namespace, name: info.name !== '' ? info.name : (object?.metadata?.name ?? ''), object, oldObject, user, dryRun,
        options: parameters?.options ?? {}, warn, audit: context.audit,
      }
      await server.admission.mutate(admission)
      await between?.()
      await server.admission.validate(admission)
    },
    annotateAudit: (key, value) => context.audit?.annotate(key, value),
    answer: (object, status) => answerObject(context, object, status),
    answerList: (items) => answerList(context, items),
  }
}

/** Upstream: `rest.WipeObjectMetaSystemFields`. */
const systemFields = ['creationTimestamp', 'uid', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink'] as const

/** Upstream: `rest.EnsureObjectNamespaceMatchesRequestNamespace`. */
function placeInNamespace({ metadata }: OpenObject, namespace: string): void {
  if (namespace === '') delete metadata.namespace
  else if ((metadata.namespace ?? '') === '') metadata.namespace = namespace
  else if (metadata.namespace !== namespace) throw errors.badRequest('the namespace of the provided object does not match the namespace sent on the request')
}

const connections: ReadonlySet<string> = new Set(['proxy', 'exec', 'attach', 'portforward'])
const optionKinds = { create: 'CreateOptions', update: 'UpdateOptions', patch: 'PatchOptions' } as const

function ownKind({ resource, subresource }: VerbContext): BodyKind {
  if (subresource?.kind === undefined) return kindOf(resource)
  return { group: subresource.group ?? resource.group, version: subresource.version ?? resource.version, kind: subresource.kind }
}
