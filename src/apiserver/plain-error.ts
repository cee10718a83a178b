import { errors, type StatusError } from '../machinery/status.ts'

/** 500 for an error that upstream has no reason for: its text alone. */
export function plainServerError(message: string, cause?: unknown): StatusError {
  const error = errors.internal(cause ?? message)
  error.status.message = message
  error.message = message
  delete error.status.reason
  delete error.status.details
  return error
}
