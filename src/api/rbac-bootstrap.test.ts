import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ClusterRole, PolicyRule, RoleBinding } from './types/rbac.authorization.k8s.io_v1.ts'
import { bootstrapClusterRoleBindings, bootstrapClusterRoles, bootstrapRoleBindings, bootstrapRoles } from './rbac-bootstrap.ts'

/** `verbs | groups | resources | names`, or `verbs | paths`; the core group is `""`. */
function ruleLine(rule: PolicyRule): string {
  const groups = rule.apiGroups?.map((group) => (group === '' ? '""' : group))
  return [rule.verbs, groups, rule.resources, rule.nonResourceURLs, rule.resourceNames].filter((list) => list !== undefined).map((list) => list.join(' ')).join(' | ')
}

function heading({ kind, metadata }: Pick<ClusterRole, 'kind' | 'metadata'>): string {
  const own = Object.entries(metadata.labels ?? {}).filter(([key]) => key !== 'kubernetes.io/bootstrapping').map(([key, value]) => ` ${key}=${value}`)
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}${own.join('')}`
}

function roleText(role: ClusterRole): string {
  const selectors = role.aggregationRule?.clusterRoleSelectors?.map((selector) => `  aggregates ${JSON.stringify(selector.matchLabels)}`) ?? []
  return [heading(role), ...selectors, ...(role.rules ?? []).map((rule) => `  ${ruleLine(rule)}`)].join('\n')
}

function bindingText(binding: RoleBinding): string {
  const subjects = binding.subjects?.map((subject) => `  ${subject.kind} ${subject.namespace === undefined ? '' : `${subject.namespace}/`}${subject.name}`) ?? []
  return [`${heading(binding)} of ${binding.roleRef.kind} ${binding.roleRef.name}`, ...subjects].join('\n')
}

test('the default roles and bindings are those of release 1.36, rule by rule', () => {
  const text = `${[
    ...[...bootstrapClusterRoles(), ...bootstrapRoles()].map((role) => roleText(role as ClusterRole)),
    ...[...bootstrapClusterRoleBindings(), ...bootstrapRoleBindings()].map((binding) => bindingText(binding as RoleBinding)),
  ].toSorted().join('\n')}\n`
  const file = new URL('testdata/default-roles.expected.txt', import.meta.url)
  // UPDATE_TESTDATA=1 writes the expectations anew; hold the difference against upstream before committing it.
  if (process.env.UPDATE_TESTDATA === '1') writeFileSync(file, text)
  assert.equal(text, readFileSync(file, 'utf8'))
})

test('all defaults carry the label and the annotation that let a start mend them', () => {
  for (const object of [...bootstrapClusterRoles(), ...bootstrapRoles(), ...bootstrapClusterRoleBindings(), ...bootstrapRoleBindings()]) {
    assert.equal(object.metadata.labels?.['kubernetes.io/bootstrapping'], 'rbac-defaults')
    assert.deepEqual(object.metadata.annotations, { 'rbac.authorization.kubernetes.io/autoupdate': 'true' })
  }
})
