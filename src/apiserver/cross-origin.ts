import type { ServerRequest, ServerResponse } from './context.ts'

/** Lets pages of some origins call this server from a browser (https://fetch.spec.whatwg.org/#http-cors-protocol; upstream: `WithCORS`). */
export interface CrossOrigin {
  /** The answer to a browser that asks beforehand; undefined for other requests. Nobody need be known for it. */
  preflight(request: ServerRequest): ServerResponse | undefined
  /** Tells the browser that the page may see the answer. */
  decorate(request: ServerRequest, headers: ServerResponse['headers']): void
}

const answerHeaders = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE, PATCH',
  'access-control-allow-headers': 'Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since',
  'access-control-expose-headers': 'Date',
  'access-control-allow-credentials': 'true',
}

/** `origins` are regular expressions. */
export function crossOrigin(origins: readonly string[]): CrossOrigin {
  const patterns = origins.map((origin) => new RegExp(origin))
  const allowed = ({ headers: { origin = '' } }: ServerRequest): string | undefined => (origin !== '' && patterns.some((pattern) => pattern.test(origin)) ? origin : undefined)
  return {
    preflight: (request) => (request.method === 'OPTIONS' && allowed(request) !== undefined ? { status: 204, headers: {} } : undefined),
    decorate(request, headers) {
      const origin = allowed(request)
      if (origin !== undefined) Object.assign(headers, { 'access-control-allow-origin': origin }, answerHeaders)
    },
  }
}

/** What is wrong with an origin to allow, in upstream's words: it must be held to the whole of a host's name (CVE-2022-1996). */
export function originProblem(origin: string): string | undefined {
  if (origin === '') return 'has an empty value'
  try {
    RegExp(origin)
  } catch (cause) {
    return `has an invalid regular expression: ${cause instanceof Error ? cause.message : String(cause)}`
  }
  const isPinned = (origin.includes('^') || origin.includes('//')) && (origin.includes('$') || origin.includes(':'))
  return isPinned ? undefined : 'has an invalid regular expression: regular expression does not pin to start/end of host in the origin header'
}
