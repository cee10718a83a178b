import type { ClusterRoleBinding, RoleBinding, Subject } from '../types/rbac.authorization.k8s.io_v1.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, plainPrinter, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

function namesOf(subjects: readonly Subject[] | undefined, kind: string): string {
  return (subjects ?? []).filter((subject) => subject.kind === kind)
    .map((subject) => (kind === 'ServiceAccount' && subject.namespace ? `${subject.namespace}/${subject.name}` : subject.name)).join(', ')
}

function bindingPrinter(kind: 'RoleBinding' | 'ClusterRoleBinding', inText: string): KindPrinter {
  return printer<RoleBinding | ClusterRoleBinding>([
    nameColumn,
    fieldColumn('Role', 'string', `rbac.authorization.k8s.io/v1.${kind}`, 'roleRef'),
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
  RoleBinding: bindingPrinter('RoleBinding', 'roleBinding'),
  ClusterRoleBinding: bindingPrinter('ClusterRoleBinding', 'clusterRoleBinding'),
}
