import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { ServerRequest, ServerResponse } from './context.ts'

const compress = promisify(gzip)
/** Smaller answers go as they are (upstream: `defaultGzipThresholdBytes`). */
const thresholdBytes = 128 << 10

/** Compresses a large answer for a client that asks for it. */
export async function compressed(request: ServerRequest, response: ServerResponse): Promise<ServerResponse> {
  const { bytes } = response
  if (bytes === undefined || bytes.length <= thresholdBytes || request.method !== 'GET' || response.headers['content-encoding'] !== undefined) return response
  if (!acceptsGzip(request.headers['accept-encoding'])) return response
  const packed = await compress(bytes, { level: constants.Z_BEST_SPEED })
  return { status: response.status, headers: { ...response.headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' }, bytes: packed }
}

function acceptsGzip(header: string | undefined): boolean {
  return header !== undefined && header.split(',').some((part) => /^\s*gzip\s*(;|$)/.test(part) && !/;\s*q=0(\.0*)?\s*$/.test(part))
}
