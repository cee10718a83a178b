import { exactFieldMatch, parseFieldSelector } from '../machinery/fields.ts'
import type { RequestInfo } from './context.ts'

const apiPrefixes = new Set(['api', 'apis'])
const specialVerbs = new Set(['proxy', 'watch'])
const namespaceSubresources = new Set(['status', 'finalize'])

const methodVerbs: Readonly<Record<string, string>> = { POST: 'create', GET: 'get', HEAD: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** A path that looks like a resource's and names none. */
export class PathError extends Error {}

/** True when `watch` is asked for: any value but `false` and `0` counts, as upstream's parameter codec reads it. */
export function wantsWatch(query: URLSearchParams): boolean {
  const value = query.get('watch')
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

/** The name in a field selector that is (or contains) `metadata.name=x`; what cannot be read names nothing, and is refused where the list is. */
function exactNameOf(fieldSelector: string): string {
  if (!fieldSelector.includes('metadata.name')) return ''
  let name: string | undefined
  try {
    name = exactFieldMatch(parseFieldSelector(fieldSelector), 'metadata.name')
  } catch {
    return ''
  }
  return name !== undefined && name !== '.' && name !== '..' && !/[/%]/.test(name) ? name : ''
}

/**
 * Reads off what a request means, by the rules of upstream's `RequestInfoFactory`: `/api/VERSION/…` and `/apis/GROUP/VERSION/…`
 * are resource requests, `watch/` and `proxy/` may stand before the resource, `namespaces/NS/(status|finalize)` are
 * subresources of the namespace, all else is a non-resource request whose verb is its method.
 */
export function requestInfoOf(method: string, path: string, query: URLSearchParams): RequestInfo {
  const info: RequestInfo = {
    isResourceRequest: false, path, verb: method.toLowerCase(), apiGroup: '', apiVersion: '', namespace: '', resource: '', subresource: '', name: '', rest: [],
  }
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  const all = trimmed === '' ? [] : trimmed.split('/')
  if (all.length < 3 || !apiPrefixes.has(all[0]!)) return info
  let at = 1
  if (all[0] === 'apis') {
    if (all.length < 4) return info
    info.apiGroup = all[at++]!
  }
  info.isResourceRequest = true
  info.apiVersion = all[at++]!
  const special = specialVerbs.has(all[at]!)
  if (special) {
    if (all.length - at < 2) throw new PathError(`unable to determine kind and namespace from url, ${path}`)
    info.verb = all[at++]!
  } else {
    info.verb = methodVerbs[method] ?? ''
  }
  if (all[at] === 'namespaces' && all.length - at > 1) {
    info.namespace = all[at + 1]!
    if (all.length - at > 2 && !namespaceSubresources.has(all[at + 2]!)) at += 2
  }
  const parts = all.slice(at)
  info.resource = parts[0] ?? ''
  info.name = parts[1] ?? ''
  if (parts.length >= 3 && info.verb !== 'proxy') {
    info.subresource = parts[2]!
    info.rest = parts.slice(3)
  } else {
    info.rest = parts.slice(2)
  }
  if (info.name === '' && info.verb === 'get') {
    info.verb = wantsWatch(query) ? 'watch' : 'list'
    const selector = query.get('fieldSelector')
    if (selector !== null) info.name = exactNameOf(selector)
  }
  if (info.name === '' && info.verb === 'delete') info.verb = 'deletecollection'
  return info
}
