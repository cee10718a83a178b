import type { PolicyRule } from './types/rbac.authorization.k8s.io_v1.ts'

/** Short ways to write RBAC rules in tables. Lists are words in one string; `""` stands for the core group among others. */

export const readOnly = 'get list watch'
export const readUpdate = 'get list watch update patch'
export const write = 'create update patch delete deletecollection'
export const readWrite = `${readOnly} ${write}`

function words(text: string): string[] {
  return text === '' ? [''] : text.trim().split(/\s+/).map((word) => (word === '""' ? '' : word)).sort()
}

/** A rule for resources; lists come out sorted, as upstream stores its own. */
export function rule(verbs: string, apiGroups: string, resources: string, resourceNames?: string): PolicyRule {
  return {
    verbs: words(verbs), apiGroups: words(apiGroups), resources: words(resources),
    ...(resourceNames === undefined ? {} : { resourceNames: words(resourceNames) }),
  }
}

/** A rule for paths outside the resources. */
export function urls(verbs: string, ...paths: string[]): PolicyRule {
  return { verbs: words(verbs), nonResourceURLs: paths.toSorted() }
}

/** Everybody who reports events has this. */
export const eventsRule: PolicyRule = rule('create update patch', '"" events.k8s.io', 'events')
