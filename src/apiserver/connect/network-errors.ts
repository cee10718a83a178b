/** Where a connection was to go. */
export interface Peer { host: string; port: number }

interface NodeError extends Error { code?: string; syscall?: string; host?: string; address?: string; port?: number; cert?: { subjectaltname?: string } }

const systemErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused', ECONNRESET: 'connection reset by peer', EHOSTUNREACH: 'no route to host', ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out', EPIPE: 'broken pipe', EACCES: 'permission denied', EADDRNOTAVAIL: 'cannot assign requested address', ECONNABORTED: 'software caused connection abort',
}

const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_UNTRUSTED', 'INVALID_CA',
])

/** `host:port`, with brackets around an IPv6 address. */
export function hostPort({ host, port }: Peer): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * What Go's net and crypto packages say where Node says something else: clients show these texts, and people look for them.
 * `dial tcp 10.0.0.1:443: connect: connection refused`.
 */
export function networkErrorText(cause: unknown, peer: Peer): string {
  const error = (cause instanceof AggregateError && cause.errors[0] instanceof Error ? cause.errors[0] : cause) as NodeError
  if (!(error instanceof Error)) return String(cause)
  const { code = '', syscall = '' } = error
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${peer.host}: no such host`
  if (unknownAuthority.has(code)) return 'tls: failed to verify certificate: x509: certificate signed by unknown authority'
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `tls: failed to verify certificate: ${nameMismatch(error, peer)}`
  if (code.startsWith('ERR_SSL_WRONG_VERSION') || (code === 'EPROTO' && error.message.includes('wrong version number'))) return 'http: server gave HTTP response to HTTPS client'
  if (error.message === 'socket hang up' || error.message === 'aborted') return 'EOF'
  const said = systemErrors[code]
  if (said === undefined) return error.message
  // A name has led to an address.
  const { address = peer.host, port = peer.port } = error
  return syscall === 'connect' ? `dial tcp ${hostPort({ host: address, port })}: connect: ${said}` : `${syscall === 'write' ? 'write' : 'read'} tcp ${hostPort(peer)}: ${said}`
}

function nameMismatch({ cert, host = '' }: NodeError, peer: Peer): string {
  const names = (cert?.subjectaltname ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '')
  const wanted = host === '' ? peer.host : host
  if (names.length === 0) return 'x509: certificate relies on legacy Common Name field, use SANs instead'
  const of = (prefix: string): string[] => names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))
  const isAddress = /^[\d.]+$|:/.test(wanted)
  const valid = isAddress ? of('IP Address:') : of('DNS:')
  if (valid.length === 0) return isAddress ? `x509: cannot validate certificate for ${wanted} because it doesn't contain any IP SANs` : `x509: certificate is not valid for any names, but wanted to match ${wanted}`
  return `x509: certificate is valid for ${valid.join(', ')}, not ${wanted}`
}
