import type { UserInfo } from '../../api/resource.ts'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import type { KubeObject, WatchEvent } from '../../machinery/object.ts'
import type { ObjectReader } from '../context.ts'
import { readiness, type Readiness } from './readiness.ts'

const group = 'rbac.authorization.k8s.io'
export const rbacResources = ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map((resource) => `${resource}.${group}`)

/** A rule that reaches a user, and by which binding. */
export interface GrantedRule { rule: PolicyRule; binding: RoleBinding | ClusterRoleBinding; subject: Subject }

/** The rules that reach a user in a namespace, and the bindings whose role is missing. */
export interface Grants { rules: GrantedRule[]; errors: string[] }

type Binding = RoleBinding | ClusterRoleBinding
type BySubject = Map<string, Map<string, Binding>>

/** The key that a binding's subject is filed under; '' for one that names nobody. */
function subjectKey(subject: Subject, bindingNamespace: string): string {
  if (subject.kind === 'User') return `u:${subject.name}`
  if (subject.kind === 'Group') return `g:${subject.name}`
  // A RoleBinding's service account may leave its namespace out: then it is the binding's.
  const namespace = subject.namespace === undefined || subject.namespace === '' ? bindingNamespace : subject.namespace
  return subject.kind === 'ServiceAccount' && namespace !== '' ? `u:system:serviceaccount:${namespace}:${subject.name}` : ''
}

/**
 * Finds a user's rules without looking at every binding: bindings are filed by namespace and subject, and follow the cache's
 * changes. For a user `ann` in group `dev`, asking in namespace `web`:
 *   cluster `u:ann`, cluster `g:dev`, `web` `u:ann`, `web` `g:dev`: four look-ups, then the roles by name.
 */
export class RbacIndex implements Disposable {
  /** Rises with every change of a role or binding: decisions remembered at another generation are void. */
  generation = 0
  readonly #reader: ObjectReader
  readonly #subscriptions: Disposable[]
  /** By namespace; '' holds the ClusterRoleBindings. */
  readonly #bindings = new Map<string, BySubject>()
  /** What is filed, by `namespace/name`. */
  readonly #known = new Map<string, Binding>()
  /** Ready when all roles and bindings of the store are known here. */
  readonly readiness: Readiness

  constructor(reader: ObjectReader) {
    this.#reader = reader
    const [roles, roleBindings, clusterRoles, clusterRoleBindings] = rbacResources as [string, string, string, string]
    const onBinding = (event: WatchEvent): void => this.#onBinding(event.type, event.object as Binding)
    const onRole = (): void => void this.generation++
    this.#subscriptions = [
      reader.onChange(roleBindings, onBinding), reader.onChange(clusterRoleBindings, onBinding),
      reader.onChange(roles, onRole), reader.onChange(clusterRoles, onRole),
    ]
    this.readiness = readiness(async () => {
      await reader.whenReady(rbacResources)
      for (const resource of [roleBindings, clusterRoleBindings]) {
        for (const object of reader.list(resource)) this.#onBinding('ADDED', object as Binding)
      }
    })
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]()
  }

  #onBinding(type: string, binding: Binding): void {
    if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') return
    const namespace = binding.metadata.namespace ?? ''
    const name = binding.metadata.name ?? ''
    const key = `${namespace}/${name}`
    const before = this.#known.get(key)
    if (before !== undefined) for (const subject of before.subjects ?? []) this.#bindings.get(namespace)?.get(subjectKey(subject, namespace))?.delete(name)
    if (type === 'DELETED') {
      this.#known.delete(key)
    } else {
      this.#known.set(key, binding)
      for (const subject of binding.subjects ?? []) this.#file(namespace, subjectKey(subject, namespace), name, binding)
    }
    this.generation++
  }

  #file(namespace: string, subject: string, name: string, binding: Binding): void {
    if (subject === '') return
    const bySubject: BySubject = this.#bindings.get(namespace) ?? new Map<string, Map<string, Binding>>()
    this.#bindings.set(namespace, bySubject)
    const byName = bySubject.get(subject) ?? new Map<string, Binding>()
    bySubject.set(subject, byName)
    byName.set(name, binding)
  }

  /** The rules of the role a binding in `namespace` refers to; undefined when there is no such role. */
  rulesOf(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    const role: KubeObject | undefined = roleRef.kind === 'ClusterRole'
      ? this.#reader.get(`clusterroles.${group}`, '', roleRef.name)
      : this.#reader.get(`roles.${group}`, namespace, roleRef.name)
    return role === undefined ? undefined : ((role as Role | ClusterRole).rules ?? [])
  }

  /** Every rule that reaches `user` in `namespace` ('': only those of ClusterRoleBindings). */
  grants(user: UserInfo, namespace: string): Grants {
    const rules: GrantedRule[] = []
    const errors: string[] = []
    for (const scope of namespace === '' ? [''] : ['', namespace]) {
      const bySubject = this.#bindings.get(scope)
      if (bySubject === undefined) continue
      for (const key of [`u:${user.username}`, ...user.groups.map((name) => `g:${name}`)]) {
        for (const binding of bySubject.get(key)?.values() ?? []) {
          const found = this.rulesOf(binding.roleRef, scope)
          if (found === undefined) {
            errors.push(`${binding.roleRef.kind.toLowerCase()}.${group} "${binding.roleRef.name}" not found`)
            continue
          }
          const subject = binding.subjects!.find((candidate) => subjectKey(candidate, scope) === key)!
          for (const rule of found) rules.push({ rule, binding, subject })
        }
      }
    }
    return { rules, errors }
  }
}

/** `ClusterRoleBinding "b" of ClusterRole "r" to Group "g"`. */
export function bindingText({ binding, subject }: GrantedRule): string {
  const namespace = binding.metadata.namespace ?? ''
  const name = namespace === '' ? binding.metadata.name : `${binding.metadata.name}/${namespace}`
  const kind = namespace === '' ? 'ClusterRoleBinding' : 'RoleBinding'
  const whom = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? namespace}` : subject.name
  return `${kind} "${name}" of ${binding.roleRef.kind} "${binding.roleRef.name}" to ${subject.kind} "${whom}"`
}

const byCore = new WeakMap<ObjectReader, RbacIndex>()

/** The index of a server: one for the authorizer, the escalation checks and the reviews. Lives until `signal` aborts. */
export function rbacIndexOf(core: { reader: ObjectReader; signal: AbortSignal }): RbacIndex {
  let index = byCore.get(core.reader)
  if (index === undefined) {
    const made = new RbacIndex(core.reader)
    core.signal.addEventListener('abort', () => made[Symbol.dispose](), { once: true })
    byCore.set(core.reader, made)
    index = made
  }
  return index
}
