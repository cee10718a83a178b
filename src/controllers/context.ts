import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { InformerFactory } from '../client/informer.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'

/** What a controller is given. */
export interface ControllerContext {
  runtime: Runtime
  /** Acts with the controller's own identity and rights. */
  client: Client
  recorder: EventRecorder
  /** Shared with the other controllers of the process. */
  informers: InformerFactory
}

/** Starts a controller; disposing the answer stops it. */
export type StartController = (context: ControllerContext) => Running

/** Several running parts as one. */
export function together(...parts: Running[]): Running {
  return {
    done: Promise.all(parts.map((part) => part.done)).then(() => undefined),
    async [Symbol.asyncDispose]() {
      await Promise.all(parts.map((part) => part[Symbol.asyncDispose]()))
    },
  }
}
