import type {
  LocalSubjectAccessReview, NonResourceAttributes, ResourceAttributes, SelfSubjectRulesReview, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
} from '../../api/types/authorization.k8s.io_v1.ts'
import type { UserInfo } from '../../api/resource.ts'
import { escapeFieldValue } from '../../machinery/fields.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { errors } from '../../machinery/status.ts'
import { nodeNameOf } from '../authorization/node.ts'
import { compactRules } from '../authorization/rbac-rules.ts'
import { rbacIndexOf } from '../authorization/rbac-index.ts'
import type { AuthorizationAttributes } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'

const group = 'authorization.k8s.io'

/** Selectors of a review as the query of a list would carry them. Requirements other than equality are left out, as they may be: they only narrow. */
function selectorsOf({ fieldSelector, labelSelector }: ResourceAttributes): Pick<AuthorizationAttributes, 'fieldSelector' | 'labelSelector'> {
  const terms = (fieldSelector?.requirements ?? []).filter((term) => term.operator === 'In' && term.values?.length === 1).map((term) => `${term.key}=${escapeFieldValue(term.values![0]!)}`)
  const fields = fieldSelector?.rawSelector ?? terms.join(',')
  const labels = labelSelector?.rawSelector ?? ''
  return { ...(fields === '' ? {} : { fieldSelector: fields }), ...(labels === '' ? {} : { labelSelector: labels }) }
}

function resourceQuestion(user: UserInfo, attributes: ResourceAttributes): AuthorizationAttributes {
  return {
    user, verb: attributes.verb ?? '', isResourceRequest: true, path: '', apiGroup: attributes.group ?? '', apiVersion: attributes.version ?? '', resource: attributes.resource ?? '',
    subresource: attributes.subresource ?? '', namespace: attributes.namespace ?? '', name: attributes.name ?? '', ...selectorsOf(attributes),
  }
}

function pathQuestion(user: UserInfo, attributes: NonResourceAttributes): AuthorizationAttributes {
  return { user, verb: attributes.verb ?? '', isResourceRequest: false, path: attributes.path ?? '', apiGroup: '', apiVersion: '', resource: '', subresource: '', namespace: '', name: '' }
}

function checkSpec(kind: string, spec: SubjectAccessReviewSpec, needsUser: boolean): void {
  const problems: FieldError[] = []
  const { resourceAttributes, nonResourceAttributes } = spec
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) problems.push(fieldErrors.invalid('spec.nonResourceAttributes', nonResourceAttributes, 'cannot be specified in combination with resourceAttributes'))
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) problems.push(fieldErrors.invalid('spec.resourceAttributes', resourceAttributes, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'))
  if (needsUser && (spec.user ?? '') === '' && (spec.groups ?? []).length === 0) problems.push(fieldErrors.invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified'))
  if (problems.length > 0) throw errors.invalid({ group, kind }, '', problems.map(fieldErrorCause))
}

async function statusFor(core: ApiServerCore, user: UserInfo, spec: SubjectAccessReviewSpec): Promise<SubjectAccessReviewStatus> {
  const question = spec.resourceAttributes === undefined ? pathQuestion(user, spec.nonResourceAttributes!) : resourceQuestion(user, spec.resourceAttributes)
  const { decision, reason } = await core.authorize(question)
  return { allowed: decision === 'allow', ...(decision === 'deny' ? { denied: true } : {}), ...(reason === '' ? {} : { reason }) }
}

function userOfSpec(spec: SubjectAccessReviewSpec): UserInfo {
  return { username: spec.user ?? '', groups: spec.groups ?? [], ...(spec.uid === undefined ? {} : { uid: spec.uid }), ...(spec.extra === undefined ? {} : { extra: spec.extra }) }
}

type Review = SubjectAccessReview | LocalSubjectAccessReview

function reviewHandler(resource: string, kind: string, userOf: (context: SubresourceContext, review: Review) => UserInfo, check?: (context: SubresourceContext, review: Review) => void): SubresourceHandler {
  return {
    group, resource, subresource: '',
    async handle(context) {
      const review = await context.readObject() as unknown as Review
      review.spec ??= {}
      checkSpec(kind, review.spec, kind !== 'SelfSubjectAccessReview')
      check?.(context, review)
      await context.admit('CREATE', review)
      review.status = await statusFor(context.core, userOf(context, review), review.spec)
      return context.answer({ ...review, apiVersion: `${group}/v1`, kind }, 201)
    },
  }
}

function checkLocal({ info }: SubresourceContext, review: Review): void {
  if (review.spec.nonResourceAttributes !== undefined) {
    throw errors.invalid({ group, kind: 'LocalSubjectAccessReview' }, '', [fieldErrorCause(fieldErrors.invalid('spec.nonResourceAttributes', review.spec.nonResourceAttributes, 'disallowed on this kind of request'))])
  }
  const wanted = review.spec.resourceAttributes!.namespace ?? ''
  if (wanted !== info.namespace) {
    throw errors.invalid({ group, kind: 'LocalSubjectAccessReview' }, '', [fieldErrorCause(fieldErrors.invalid('spec.resourceAttributes.namespace', wanted, `must match metadata.namespace`))])
  }
}

/** `selfsubjectrulesreviews`: what may I do in a namespace (`kubectl auth can-i --list`). */
export const selfSubjectRulesReviewHandler: SubresourceHandler = {
  group, resource: 'selfsubjectrulesreviews', subresource: '',
  async handle(context) {
    const { core, user } = context
    const review = await context.readObject() as unknown as SelfSubjectRulesReview
    const namespace = review.spec?.namespace ?? ''
    if (namespace === '') throw errors.badRequest('no namespace on request')
    await context.admit('CREATE', review)
    const index = rbacIndexOf(core)
    await index.readiness.wait()
    const grants = index.grants(user, namespace)
    const problems = [...new Set(grants.errors), ...(nodeNameOf(user) === undefined ? [] : ['node authorizer does not support user rule resolution'])]
    const rules = compactRules(grants.rules.map(({ rule }) => rule))
    review.status = {
      resourceRules: rules.filter((rule) => (rule.resources?.length ?? 0) > 0).map(({ verbs, apiGroups, resources, resourceNames }) => ({ verbs, apiGroups, resources, ...(resourceNames === undefined ? {} : { resourceNames }) })),
      nonResourceRules: rules.filter((rule) => (rule.nonResourceURLs?.length ?? 0) > 0).map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: problems.length > 0,
      ...(problems.length === 0 ? {} : { evaluationError: problems.join(', ') }),
    }
    return context.answer({ ...review, apiVersion: `${group}/v1`, kind: 'SelfSubjectRulesReview' }, 201)
  },
}

/** The review resources of authorization.k8s.io. */
export const accessReviewHandlers: readonly SubresourceHandler[] = [
  reviewHandler('subjectaccessreviews', 'SubjectAccessReview', (_context, review) => userOfSpec(review.spec)),
  reviewHandler('localsubjectaccessreviews', 'LocalSubjectAccessReview', (_context, review) => userOfSpec(review.spec), checkLocal),
  reviewHandler('selfsubjectaccessreviews', 'SelfSubjectAccessReview', ({ user }) => user),
  selfSubjectRulesReviewHandler,
]
