import { AsyncLocalStorage } from 'node:async_hooks'

/** One change that made somebody act: `Pod default/web-1 @ 1234`. */
export interface Cause { kind: string; namespace?: string; name: string; resourceVersion: string }

/** What a reconcile is doing and what woke it; the client names it in its requests. */
export interface CauseChain { actor: string; causes: readonly Cause[] }

const current = new AsyncLocalStorage<CauseChain>()

/** Runs `work` so that `currentCauses()` answers `chain` anywhere inside it, across awaits. */
export function withCauses<T>(chain: CauseChain, work: () => T): T {
  return current.run(chain, work)
}

export function currentCauses(): CauseChain | undefined {
  return current.getStore()
}
