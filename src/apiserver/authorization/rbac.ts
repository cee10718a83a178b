import type { UserInfo } from '../../api/resource.ts'
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from '../context.ts'
import { bindingText, type Grants, type GrantedRule, type RbacIndex } from './rbac-index.ts'
import { nameMatches, ruleMatchesWithoutName } from './rbac-rules.ts'

const noOpinion: AuthorizationDecision = { decision: 'noOpinion', reason: '' }

/** How many answers are remembered for one user. */
const maxRemembered = 2000

interface Remembered { generation: number; grants: Map<string, Grants>; answers: Map<string, AuthorizationDecision> }

/**
 * The RBAC authorizer. Authenticators hand out one `UserInfo` object per credential, so answers that don't depend on an
 * object's name are remembered with that object until a role or binding changes; a hit costs two map look-ups.
 */
export function rbacAuthorizer(index: RbacIndex): Authorizer {
  const byUser = new WeakMap<UserInfo, Remembered>()

  function rememberedFor(user: UserInfo): Remembered {
    let remembered = byUser.get(user)
    if (remembered === undefined || remembered.generation !== index.generation) {
      remembered = { generation: index.generation, grants: new Map(), answers: new Map() }
      byUser.set(user, remembered)
    }
    return remembered
  }

  function grantsIn(remembered: Remembered, user: UserInfo, namespace: string): Grants {
    let grants = remembered.grants.get(namespace)
    if (grants === undefined) {
      grants = index.grants(user, namespace)
      if (remembered.grants.size >= maxRemembered) remembered.grants.clear()
      remembered.grants.set(namespace, grants)
    }
    return grants
  }

  function decide(grants: Grants, request: AuthorizationAttributes): { answer: AuthorizationDecision; dependsOnName: boolean } {
    let dependsOnName = false
    let named: GrantedRule | undefined
    for (const granted of grants.rules) {
      if (!ruleMatchesWithoutName(granted.rule, request)) continue
      if (!request.isResourceRequest || (granted.rule.resourceNames?.length ?? 0) === 0) return { answer: allowed(granted), dependsOnName: false }
      dependsOnName = true
      if (named === undefined && nameMatches(granted.rule, request.name)) named = granted
    }
    if (named !== undefined) return { answer: allowed(named), dependsOnName: true }
    return { answer: grants.errors.length === 0 ? noOpinion : { decision: 'noOpinion', reason: `RBAC: ${errorsText(grants.errors)}` }, dependsOnName }
  }

  function answerTo(request: AuthorizationAttributes): AuthorizationDecision {
    const remembered = rememberedFor(request.user)
    const key = request.isResourceRequest
      ? `${request.verb}\n${request.apiGroup}\n${request.resource}\n${request.subresource}\n${request.namespace}` : `${request.verb}\n${request.path}`
    const known = remembered.answers.get(key)
    if (known !== undefined) return known
    const { answer, dependsOnName } = decide(grantsIn(remembered, request.user, request.isResourceRequest ? request.namespace : ''), request)
    if (!dependsOnName) {
      if (remembered.answers.size >= maxRemembered) remembered.answers.clear()
      remembered.answers.set(key, answer)
    }
    return answer
  }

  // Before the first load nothing is known, and a refusal would be wrong: such requests wait.
  return {
    name: 'RBAC', authorize: (request) => (index.readiness.isReady ? answerTo(request) : index.readiness.wait().then(() => answerTo(request))),
    async rulesFor(user, namespace) {
      await index.readiness.wait()
      const grants = index.grants(user, namespace)
      const rules = grants.rules.map(({ rule }) => rule)
      return {
        resourceRules: rules.filter((rule) => (rule.resources?.length ?? 0) > 0).map(({ verbs, apiGroups, resources, resourceNames }) => ({ verbs, apiGroups, resources, ...(resourceNames === undefined ? {} : { resourceNames }) })),
        nonResourceRules: rules.filter((rule) => (rule.nonResourceURLs?.length ?? 0) > 0).map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
        incomplete: false, errors: grants.errors,
      }
    },
  }
}

function allowed(granted: GrantedRule): AuthorizationDecision {
  return { decision: 'allow', reason: `RBAC: allowed by ${bindingText(granted)}` }
}

function errorsText(errors: readonly string[]): string {
  const unique = [...new Set(errors)]
  return unique.length === 1 ? unique[0]! : `[${unique.join(', ')}]`
}

/** Members of system:masters may do everything, whatever roles say, so that nobody can lock everybody out. */
export const privilegedAuthorizer: Authorizer = {
  name: 'AlwaysAllowMasters',
  authorize: ({ user }) => (user.groups.includes('system:masters') ? { decision: 'allow', reason: '' } : noOpinion),
}

