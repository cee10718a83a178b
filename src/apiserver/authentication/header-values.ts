import type { ServerRequest } from '../context.ts'

/** Every value of a header, in order; `name` in lower case. Values that hold commas stay whole where the request's raw headers are known. */
export function headerValues(request: ServerRequest, name: string): string[] {
  const { rawHeaders } = request
  if (rawHeaders !== undefined) {
    const values: string[] = []
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) if (rawHeaders[i]!.toLowerCase() === name) values.push(rawHeaders[i + 1]!)
    return values
  }
  const joined = request.headers[name]
  return joined === undefined ? [] : joined.split(',').map((value) => value.trim())
}

/** Values of the headers whose names begin with `prefix` (lower case), by the rest of the name: percent-decoded where it can be. */
export function extraOfHeaders(request: ServerRequest, prefix: string, into: Record<string, string[]> = {}): Record<string, string[]> {
  for (const name of Object.keys(request.headers)) {
    if (!name.startsWith(prefix)) continue
    const key = decodedKey(name.slice(prefix.length))
    const known = Object.hasOwn(into, key) ? into[key]! : []
    Object.defineProperty(into, key, { value: [...known, ...headerValues(request, name)], enumerable: true, configurable: true, writable: true })
  }
  return into
}

/** Upstream keeps what can't be decoded as it came. */
function decodedKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch (cause) {
    if (cause instanceof URIError) return encoded
    throw cause
  }
}
