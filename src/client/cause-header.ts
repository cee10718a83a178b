import type { Cause, CauseChain } from '../runtime/causes.ts'

/** The request header that names what woke the caller: `deployment-controller;ReplicaSet/default/web@12,Pod/default/web-1@15`. */
export const causeHeader = 'k8ts-cause'

/** More causes than this are not carried: a header must stay small. */
const maxCauses = 8

function encodeCause(cause: Cause): string {
  const path = [cause.kind, ...(cause.namespace === undefined || cause.namespace === '' ? [] : [cause.namespace]), cause.name]
  return `${path.map(encodeURIComponent).join('/')}@${encodeURIComponent(cause.resourceVersion)}`
}

export function encodeCauses(chain: CauseChain): string {
  return `${encodeURIComponent(chain.actor)};${chain.causes.slice(0, maxCauses).map(encodeCause).join(',')}`
}

function decodeCause(text: string): Cause | undefined {
  const at = text.lastIndexOf('@')
  if (at < 0) return undefined
  const parts = text.slice(0, at).split('/').map(decodeURIComponent)
  const resourceVersion = decodeURIComponent(text.slice(at + 1))
  const [kind = '', second = '', third] = parts
  if (parts.length === 2) return { kind, name: second, resourceVersion }
  return parts.length === 3 && third !== undefined ? { kind, namespace: second, name: third, resourceVersion } : undefined
}

/** The chain that a header value names; undefined when it isn't one. */
export function decodeCauses(header: string): CauseChain | undefined {
  const semicolon = header.indexOf(';')
  if (semicolon < 0) return undefined
  try {
    const parts = header.slice(semicolon + 1).split(',').filter((part) => part !== '')
    const causes = parts.slice(0, maxCauses).map(decodeCause).filter((cause) => cause !== undefined)
    return { actor: decodeURIComponent(header.slice(0, semicolon)), causes }
  } catch (error) {
    // A percent sign that encodes nothing: the header came from elsewhere and means nothing to us.
    if (error instanceof URIError) return undefined
    throw error
  }
}
