/** Settles as `work` does, or rejects with the signal's reason as soon as it aborts; `work` then goes on unheard. */
export async function interruptible<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined)
    throw signal.reason
  }
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    // When the signal came first nobody hears of what becomes of the work.
    work.catch(() => undefined)
  }
}
