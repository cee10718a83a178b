import { errors } from '../machinery/status.ts'

/** Where a list in pieces goes on: the first key wanted, relative to the resource's prefix, at a revision. */
export interface ContinueToken { revision: number; startKey: string }

/** As upstream encodes it: base64url of `{"v":"meta.k8s.io/v1","rv":N,"start":KEY}`; revision -1 stands for "whatever is newest". */
export function encodeContinue({ revision, startKey }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: startKey })).toString('base64url')
}

/** Throws 400 for a token that this server did not make. */
export function decodeContinue(token: string): ContinueToken {
  let data: { v?: unknown; rv?: unknown; start?: unknown }
  try {
    data = JSON.parse(Buffer.from(token, 'base64url').toString()) as typeof data
  } catch (cause) {
    throw errors.badRequest(`continue key is not valid: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
  if (data?.v !== 'meta.k8s.io/v1') throw errors.badRequest(`continue key is not valid: server does not recognize this encoded version ${String(data?.v ?? '')}`)
  if (typeof data.rv !== 'number' || !Number.isSafeInteger(data.rv) || data.rv === 0) throw errors.badRequest('continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (typeof data.start !== 'string' || data.start === '') throw errors.badRequest('continue key is not valid: encoded start key empty (version meta.k8s.io/v1)')
  const startKey = data.start.replace(/^\//, '')
  if (startKey.split('/').some((part) => part === '.' || part === '..' || part === '')) throw errors.badRequest(`continue key is not valid: ${data.start}`)
  return { revision: data.rv, startKey }
}
