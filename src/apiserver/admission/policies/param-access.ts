import type { MutatingAdmissionPolicyBindingSpec, ParamKind, ParamRef } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import type { UserInfo } from '../../../api/resource.ts'
import { semanticEqual } from '../../../machinery/equality.ts'
import { fieldErrorCause, fieldErrors } from '../../../machinery/field-error.ts'
import { errors } from '../../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'

const group = 'admissionregistration.k8s.io'

interface Target { apiGroup: string; apiVersion: string; resource: string }

/** As Go prints a user in upstream's messages. */
function userText({ username, uid = '', groups, extra = {} }: UserInfo): string {
  const more = Object.entries(extra).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, values]) => `${key}:[${values.join(' ')}]`)
  return `&{${username} ${uid} [${groups.join(' ')}] map[${more.join(' ')}]}`
}

/**
 * Whoever writes a policy or binding that reads parameters must be allowed to read them: expressions show what they hold. Upstream has
 * this in the storage of these kinds; here it is a validating plugin that can't be switched off.
 */
export function paramAccessCheck(core: ApiServerCore): AdmissionPlugin {
  function targetOf({ apiVersion = '', kind = '' }: ParamKind): Target {
    const slash = apiVersion.indexOf('/')
    const [apiGroup, version] = slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)]
    return { apiGroup, apiVersion: version, resource: core.resources.findKind(apiGroup, version, kind)?.resource ?? '*' }
  }

  async function mayGet(user: UserInfo, target: Target, namespace: string, name: string): Promise<boolean> {
    const { decision } = await core.authorize({ user, verb: 'get', isResourceRequest: true, path: '', ...target, subresource: '', namespace, name })
    return decision === 'allow'
  }

  async function policyProblem({ object, oldObject, user }: AdmissionAttributes): Promise<string | undefined> {
    const [now, before] = [object, oldObject].map((each) => (each as unknown as { spec?: { paramKind?: ParamKind } } | undefined)?.spec?.paramKind)
    if (now === undefined || semanticEqual(now, before) || await mayGet(user, targetOf(now), '*', '*')) return undefined
    return `user ${userText(user)} must have "get" permission on all objects of the referenced paramKind (kind=${now.kind}, apiVersion=${now.apiVersion})`
  }

  async function bindingProblem({ object, oldObject, user, resource }: AdmissionAttributes): Promise<string | undefined> {
    const [now, before] = [object, oldObject].map((each) => (each as unknown as { spec?: MutatingAdmissionPolicyBindingSpec } | undefined)?.spec)
    const ref: ParamRef | undefined = now?.paramRef
    if (ref === undefined || (semanticEqual(ref, before?.paramRef) && now?.policyName === before?.policyName)) return undefined
    const policies = core.resource(resource.resource.replace('policybindings', 'policies'), group)
    const policy = await core.registry.find(policies, '', now?.policyName ?? '') as unknown as { spec?: { paramKind?: ParamKind } } | undefined
    const paramKind = policy?.spec?.paramKind
    const target = paramKind === undefined ? { apiGroup: '*', apiVersion: '*', resource: '*' } : targetOf(paramKind)
    return await mayGet(user, target, ref.namespace ?? '', ref.name ?? '') ? undefined : `user ${userText(user)} does not have "get" permission on the object referenced by paramRef`
  }

  return {
    name: 'AdmissionPolicyParams',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['validating', 'mutating'].flatMap((kind) => ['policies', 'policybindings'].map((plural) => `${kind}admission${plural}.${group}`)),
    async validate(attributes) {
      if (attributes.subresource !== '' || attributes.user.groups.includes('system:masters')) return
      const isBinding = attributes.resource.resource.endsWith('bindings')
      const problem = await (isBinding ? bindingProblem(attributes) : policyProblem(attributes))
      if (problem === undefined) return
      throw errors.invalid({ group, kind: attributes.resource.kind }, attributes.object?.metadata.name ?? attributes.name, [fieldErrorCause(fieldErrors.forbidden(isBinding ? 'spec.paramRef' : 'spec.paramKind', problem))])
    },
  }
}
