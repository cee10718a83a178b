import type {
  LocalSubjectAccessReview, NonResourceAttributes, ResourceAttributes, SelfSubjectRulesReview, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
} from '../../api/types/authorization.k8s.io_v1.ts'
import { internalForm } from '../../api/validation/internal-form.ts'
import type { UserInfo } from '../../api/resource.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import type { AuthorizationAttributes } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import { selectorProblems, selectorQuestion } from './review-selectors.ts'

const group = 'authorization.k8s.io'

interface Question { attributes: AuthorizationAttributes; evaluationErrors: readonly string[] }

function resourceQuestion(user: UserInfo, asked: ResourceAttributes): Question {
  const { attributes, evaluationErrors } = selectorQuestion(asked)
  return {
    evaluationErrors,
    attributes: {
      user, verb: asked.verb ?? '', isResourceRequest: true, path: '', apiGroup: asked.group ?? '', apiVersion: asked.version === undefined || asked.version === '' ? '*' : asked.version,
      resource: asked.resource ?? '', subresource: asked.subresource ?? '', namespace: asked.namespace ?? '', name: asked.name ?? '', ...attributes,
    },
  }
}

function pathQuestion(user: UserInfo, asked: NonResourceAttributes): Question {
  return { evaluationErrors: [], attributes: { user, verb: asked.verb ?? '', isResourceRequest: false, path: asked.path ?? '', apiGroup: '', apiVersion: '', resource: '', subresource: '', namespace: '', name: '' } }
}

/** Everything that is wrong with a review (pkg/apis/authorization/validation). The error names no kind: upstream's objects have lost theirs by then. */
function checkReview(kind: string, { spec, metadata = {} }: Review, namespace: string): void {
  const problems: FieldError[] = []
  const { resourceAttributes, nonResourceAttributes } = spec
  const isLocal = kind === 'LocalSubjectAccessReview'
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) problems.push(fieldErrors.invalid('spec.nonResourceAttributes', internalForm('NonResourceAttributes', nonResourceAttributes), 'cannot be specified in combination with resourceAttributes'))
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) problems.push(fieldErrors.invalid('spec.resourceAttributes', nonResourceAttributes, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'))
  if (kind !== 'SelfSubjectAccessReview' && (spec.user ?? '') === '' && (spec.groups ?? []).length === 0) problems.push(fieldErrors.invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified'))
  if (resourceAttributes !== undefined) problems.push(...selectorProblems(resourceAttributes, 'spec.resourceAttributes'))
  const isSet = Object.entries(metadata).some(([field, value]) => field !== 'managedFields' && value !== null && value !== '' && !(isLocal && field === 'namespace') && JSON.stringify(value) !== '{}')
  if (isSet) problems.push(fieldErrors.invalid('metadata', metadata, isLocal ? 'must be empty except for namespace' : 'must be empty'))
  if (isLocal && resourceAttributes !== undefined && (resourceAttributes.namespace ?? '') !== namespace) problems.push(fieldErrors.invalid('spec.resourceAttributes.namespace', resourceAttributes.namespace ?? '', 'must match metadata.namespace'))
  if (isLocal && nonResourceAttributes !== undefined) problems.push(fieldErrors.invalid('spec.nonResourceAttributes', internalForm('NonResourceAttributes', nonResourceAttributes), 'disallowed on this kind of request'))
  if (problems.length > 0) throw errors.invalid({ group, kind: '' }, '', problems.map(fieldErrorCause))
}

async function statusFor(core: ApiServerCore, user: UserInfo, spec: SubjectAccessReviewSpec): Promise<SubjectAccessReviewStatus> {
  const { attributes, evaluationErrors } = spec.resourceAttributes === undefined ? pathQuestion(user, spec.nonResourceAttributes!) : resourceQuestion(user, spec.resourceAttributes)
  const { decision, reason, error } = await core.authorize(attributes)
  const evaluationError = [...(error === undefined ? [] : [error]), ...evaluationErrors].join('; ')
  return { allowed: decision === 'allow', ...(decision === 'deny' ? { denied: true } : {}), ...(reason === '' ? {} : { reason }), ...(evaluationError === '' ? {} : { evaluationError }) }
}

function userOfSpec(spec: SubjectAccessReviewSpec): UserInfo {
  return { username: spec.user ?? '', groups: spec.groups ?? [], ...(spec.uid === undefined ? {} : { uid: spec.uid }), ...(spec.extra === undefined ? {} : { extra: spec.extra }) }
}

type Review = SubjectAccessReview | LocalSubjectAccessReview

function reviewHandler(resource: string, kind: string, userOf: (context: SubresourceContext, review: Review) => UserInfo): SubresourceHandler {
  return {
    group, resource, subresource: '',
    async handle(context) {
      const { info: { namespace } } = context
      const review = await context.readObject() as unknown as Review
      review.spec ??= {}
      await context.prepare(review as unknown as OpenObject)
      await context.admit('CREATE', review, undefined, () => checkReview(kind, review, namespace))
      review.status = await statusFor(context.core, userOf(context, review), review.spec)
      return context.answer({ ...review, apiVersion: `${group}/v1`, kind }, 201)
    },
  }
}

/** `selfsubjectrulesreviews`: what may I do in a namespace (`kubectl auth can-i --list`). */
export const selfSubjectRulesReviewHandler: SubresourceHandler = {
  group, resource: 'selfsubjectrulesreviews', subresource: '',
  async handle(context) {
    const { core, user } = context
    const review = await context.readObject() as unknown as SelfSubjectRulesReview
    await context.prepare(review as unknown as OpenObject)
    let namespace = ''
    await context.admit('CREATE', review, undefined, () => {
      namespace = review.spec?.namespace ?? ''
      if (namespace === '') throw errors.badRequest('no namespace on request')
    })
    const { resourceRules, nonResourceRules, incomplete, errors: problems } = await core.rulesFor(user, namespace)
    const unique = [...new Set(problems)]
    const evaluationError = unique.length > 1 ? `[${unique.join(', ')}]` : unique[0]
    const status = { resourceRules, nonResourceRules, incomplete, ...(evaluationError === undefined ? {} : { evaluationError }) }
    // A new object, of which only the status is filled in.
    const answer = { kind: 'SelfSubjectRulesReview', apiVersion: `${group}/v1`, metadata: {}, spec: {}, status }
    return context.answer(answer, 201)
  },
}

/** The review resources of authorization.k8s.io. */
export const accessReviewHandlers: readonly SubresourceHandler[] = [
  reviewHandler('subjectaccessreviews', 'SubjectAccessReview', (_context, review) => userOfSpec(review.spec)),
  reviewHandler('localsubjectaccessreviews', 'LocalSubjectAccessReview', (_context, review) => userOfSpec(review.spec)),
  reviewHandler('selfsubjectaccessreviews', 'SelfSubjectAccessReview', ({ user }) => user),
  selfSubjectRulesReviewHandler,
]
