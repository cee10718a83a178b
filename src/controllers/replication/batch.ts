/**
 * Calls `act` `count` times in batches of 1, 2, 4, … at once, so that work that must fail (a quota is used up) fails after few tries.
 * Stops after a batch with a failure. Answers how many succeeded and the first failure.
 */
export async function slowStart(count: number, act: () => Promise<void>): Promise<{ successes: number; failure: unknown }> {
  let successes = 0
  for (let remaining = count, size = 1; remaining > 0; remaining -= size, size = Math.min(size * 2, remaining)) {
    size = Math.min(size, remaining)
    const results = await Promise.allSettled(Array.from({ length: size }, act))
    const failed = results.filter((result) => result.status === 'rejected')
    successes += size - failed.length
    if (failed.length > 0) return { successes, failure: failed[0]!.reason }
  }
  return { successes, failure: undefined }
}
