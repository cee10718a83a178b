/** A key as work queues hold it: `namespace/name` or `name`. */
export type ReconcileKey = string

/**
 * What a reconcile may answer, and what each answer causes (carried out in one place, `controller.ts`):
 * - nothing: the key is done; its failure count is forgotten.
 * - `requeueAfterMs`: done, and again after that time; the failure count is forgotten.
 * - throwing: again with exponential back-off (5 ms doubling up to 1000 s, as client-go's default rate limiter), logged.
 * - throwing `TerminalError`: logged, not tried again until the key is woken by a change.
 */
export interface ReconcileResult { requeueAfterMs?: number }

/** Level-triggered: reads the world anew; must be right when run twice, late, or after a crash. Never touches the queue. */
export type Reconciler = (key: ReconcileKey, signal: AbortSignal) => Promise<ReconcileResult | void>

/** An error that trying again cannot mend. */
export class TerminalError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TerminalError'
  }
}
