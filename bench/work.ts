import type { Runtime } from '../src/runtime/runtime.ts'
import type { Endpoint } from './endpoint.ts'

/** One measured number. */
export interface Figure {
  /** What was measured; the same text whichever endpoint it was. */
  name: string
  value: number
  /** `/s`: more is better; of the others less is. */
  unit: '/s' | 'ms' | 's' | 'MB'
  /** What the original did: kube-apiserver 1.20 with etcd 3.4 on two cores, the load generator beside it. */
  original?: number
  /** What we promise to stay under, where there is no figure of the original. */
  target?: number
  /** Latencies, sizes and what else explains the number. */
  note?: string
}

/** What a work is run with. */
export interface WorkContext {
  runtime: Runtime
  /** Short runs that show that everything works rather than how fast it is. */
  quick: boolean
  /** The launcher of the k8ts that is measured. */
  launcher: string
  /** Says what is going on, on the terminal. */
  progress(line: string): void
  signal: AbortSignal
}

/** A reason why a work cannot be done here; printed instead of its figures. */
export class SkipError extends Error {}

/** Something measured on any API endpoint: leaves the endpoint as it was. */
export interface EndpointWork {
  name: string
  summary: string
  measure(endpoint: Endpoint, context: WorkContext): Promise<Figure[]>
}

/** Something measured on our own processes, which the work starts and ends. */
export interface OwnWork {
  name: string
  summary: string
  measureOwn(context: WorkContext): Promise<Figure[]>
}

export type Work = EndpointWork | OwnWork
