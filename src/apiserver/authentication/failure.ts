import { StatusError, errors, isReason } from '../../machinery/status.ts'

/** Credentials that are wrong. Clients read `Unauthorized` and no more; what was wrong is the error's cause, for the log and for TokenReview. */
export function refused(detail: string, cause?: unknown): StatusError {
  return new StatusError(errors.unauthorized().status, { cause: new Error(detail, cause === undefined ? undefined : { cause }) })
}

/** What was wrong with refused credentials. Errors other than Unauthorized are thrown on. */
export function refusalText(error: unknown): string {
  if (!isReason(error, 'Unauthorized')) throw error
  return error.cause instanceof Error ? error.cause.message : error.message
}

/** Several refusals as one: texts once each, in brackets where there are several, as upstream's aggregates read. */
export function refusedTogether(details: readonly string[]): StatusError {
  const unique = [...new Set(details)]
  return refused(unique.length === 1 ? unique[0]! : `[${unique.join(', ')}]`)
}
