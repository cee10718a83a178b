import type { ClusterRoleBinding, RoleBinding, Subject } from '../types/rbac.authorization.k8s.io_v1.ts'
import { age, ageColumn, column, nameColumn, plainPrinter, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

function namesOf(subjects: readonly Subject[] | undefined, kind: string): string {
  return (subjects ?? []).filter((subject) => subject.kind === kind)
    .map((subject) => (kind === 'ServiceAccount' && subject.namespace ? `${subject.namespace}/${subject.name}` : subject.name)).join(', ')
}

/** `places` says which roles can be meant. */
function bindingPrinter(inText: string, places: string): KindPrinter {
  return printer<RoleBinding | ClusterRoleBinding>([
    nameColumn,
    column('Role', 'string', `RoleRef can ${places} If the RoleRef cannot be resolved, the Authorizer must return an error.`),
    ageColumn,
    column('Users', 'string', `Users in the ${inText}`, 1),
    column('Groups', 'string', `Groups in the ${inText}`, 1),
    column('ServiceAccounts', 'string', `ServiceAccounts in the ${inText}`, 1),
  ], (binding, nowMs) => [
    binding.metadata.name ?? '', `${binding.roleRef.kind}/${binding.roleRef.name}`, age(binding, nowMs),
    namesOf(binding.subjects, 'User'), namesOf(binding.subjects, 'Group'), namesOf(binding.subjects, 'ServiceAccount'),
  ])
}

export const rbacPrinters: Record<string, KindPrinter> = {
  Role: plainPrinter,
  ClusterRole: plainPrinter,
  RoleBinding: bindingPrinter('roleBinding', 'reference a Role in the current namespace or a ClusterRole in the global namespace.'),
  ClusterRoleBinding: bindingPrinter('clusterRoleBinding', 'only reference a ClusterRole in the global namespace.'),
}
