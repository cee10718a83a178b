import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { ServerRequest, ServerResponse } from './context.ts'
import { compressedBody } from './long-body.ts'

const compress = promisify(gzip)
/** Smaller answers go as they are (upstream: `defaultGzipThresholdBytes`). */
const thresholdBytes = 128 << 10

/** Whether the answer is large and for a client that asks for less. */
export function isCompressible(request: ServerRequest, { bytes, body, headers }: ServerResponse): boolean {
  const sizeBytes = body?.sizeBytes ?? bytes?.length ?? 0
  return sizeBytes > thresholdBytes && request.method === 'GET' && headers['content-encoding'] === undefined && acceptsGzip(request.headers['accept-encoding'])
}

/** The answer, compressed. */
export async function compressed({ status, headers, bytes = '', body }: ServerResponse): Promise<ServerResponse> {
  const packedHeaders = { ...headers, 'content-encoding': 'gzip', vary: headers['vary'] === undefined ? 'Accept-Encoding' : `${headers['vary']}, Accept-Encoding` }
  if (body !== undefined) return { status, headers: packedHeaders, body: compressedBody(body) }
  return { status, headers: packedHeaders, bytes: await compress(bytes, { level: constants.Z_BEST_SPEED }) }
}

function acceptsGzip(header: string | undefined): boolean {
  return header !== undefined && header.split(',').some((part) => /^\s*gzip\s*(;|$)/.test(part) && !/;\s*q=0(\.0*)?\s*$/.test(part))
}
