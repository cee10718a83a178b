import { jsonSyntaxProblem } from '../machinery/json-syntax.ts'
import { errors } from '../machinery/status.ts'

/** Where a list in pieces goes on: the first key wanted, relative to the resource's prefix, at a revision. */
export interface ContinueToken { revision: number; startKey: string }

/** As upstream encodes it: base64url of `{"v":"meta.k8s.io/v1","rv":N,"start":KEY}`; revision -1 stands for "whatever is newest". */
export function encodeContinue({ revision, startKey }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: startKey })).toString('base64url')
}

/** Throws 400 for a token that this server did not make. */
export function decodeContinue(token: string): ContinueToken {
  const invalid = (why: string): Error => errors.badRequest(`invalid continue token: continue key is not valid${why}`)
  if (!/^[A-Za-z0-9_-]*$/.test(token) || token.length % 4 === 1) throw invalid(`: illegal base64 data at input byte ${/^[A-Za-z0-9_-]*/.exec(token)![0].length}`)
  const text = Buffer.from(token, 'base64url').toString()
  let data: { v?: unknown; rv?: unknown; start?: unknown }
  try {
    data = JSON.parse(text) as typeof data
  } catch (cause) {
    throw invalid(`: ${jsonSyntaxProblem(text) ?? String(cause)}`)
  }
  if (data?.v !== 'meta.k8s.io/v1') throw invalid(`: server does not recognize this encoded version ${typeof data?.v === 'string' ? data.v : ''}`)
  if (typeof data.rv !== 'number' || !Number.isSafeInteger(data.rv) || data.rv === 0) throw invalid(': incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (typeof data.start !== 'string' || data.start === '') throw invalid(': encoded start key empty (version meta.k8s.io/v1)')
  const startKey = data.start.replace(/^\//, '')
  if (startKey.split('/').some((part) => part === '.' || part === '..' || part === '')) throw invalid(`: ${data.start}`)
  return { revision: data.rv, startKey }
}
