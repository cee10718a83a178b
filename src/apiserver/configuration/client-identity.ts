import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Runtime } from '../../runtime/runtime.ts'
import { onFileChange } from './reload.ts'

/** How this server shows itself to another one, and knows it; PEM. `files`: where they were read from, to be read again when they change. */
export interface ClientIdentity {
  certificate?: string
  key?: string
  /** The authority of the other's certificate. */
  ca?: string
  files?: { certificate?: string | undefined; key?: string | undefined; ca?: string | undefined }
}

const parts = ['certificate', 'key', 'ca'] as const

/** Calls `apply` with what stands in the files after each change, until `signal` aborts. What cannot be used, such as a certificate whose key has not been written yet, changes nothing. */
export function followClientIdentity<I extends ClientIdentity>(identity: I, runtime: Runtime, signal: AbortSignal, apply: (identity: I) => void): void {
  const { files = {} } = identity
  let inForce = identity
  const read = async (): Promise<void> => {
    const texts = await Promise.all(parts.map(async (part) => [part, files[part] === undefined ? inForce[part] : await readFile(files[part], 'utf8')] as const))
    const next = { ...inForce, ...Object.fromEntries(texts.filter(([, text]) => text !== undefined)) }
    const { certificate, key, ca } = next
    createSecureContext({ ...(certificate === undefined ? {} : { cert: certificate }), ...(key === undefined ? {} : { key }), ...(ca === undefined ? {} : { ca }) })
    inForce = next
    apply(next)
  }
  for (const part of parts) {
    const path = files[part]
    if (path !== undefined) onFileChange({ path, text: identity[part] ?? '', runtime, signal, apply: read })
  }
}
