/** A duration as Go prints it, to the millisecond: `1.234s`, `532ms`, `1m2.5s`. */
export function durationText(ms: number): string {
  const whole = Math.max(0, Math.trunc(ms))
  if (whole === 0) return '0s'
  if (whole < 1000) return `${whole}ms`
  const hours = Math.floor(whole / 3_600_000)
  const minutes = Math.floor((whole % 3_600_000) / 60_000)
  const seconds = `${(whole % 60_000) / 1000}s`
  return `${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}`
}

/** What Go says of a failed connection: `connect: connection refused`, `i/o timeout`, … */
export function dialErrorText(error: NodeJS.ErrnoException): string {
  const texts: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused', EHOSTUNREACH: 'connect: no route to host', ENETUNREACH: 'connect: network is unreachable', ETIMEDOUT: 'i/o timeout', ECONNRESET: 'read: connection reset by peer',
  }
  return texts[error.code ?? ''] ?? error.message
}
