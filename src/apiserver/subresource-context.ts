import type { KubeObject } from '../machinery/object.ts'
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
    async admit(operation, object: KubeObject | undefined, oldObject) {
      const admission = {
        operation, resource, subresource: info.subresource, namespace: info.namespace, name: info.name !== '' ? info.name : (object?.metadata?.name ?? ''), object, oldObject, user, dryRun,
        options: parameters?.options ?? {}, warn, audit: context.audit,
      }
      await server.admission.mutate(admission)
      await server.admission.validate(admission)
    },
    answer: (object, status) => answerObject(context, object, status),
    answerList: (items) => answerList(context, items),
  }
}

const connections: ReadonlySet<string> = new Set(['proxy', 'exec', 'attach', 'portforward'])
const optionKinds = { create: 'CreateOptions', update: 'UpdateOptions', patch: 'PatchOptions' } as const

function ownKind({ resource, subresource }: VerbContext): BodyKind {
  if (subresource?.kind === undefined) return kindOf(resource)
  return { group: subresource.group ?? resource.group, version: subresource.version ?? resource.version, kind: subresource.kind }
}
