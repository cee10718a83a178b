import { createRequire } from 'node:module'
import type * as codec from '../machinery/cbor.ts'

const require = createRequire(import.meta.url)

/** The codec, loaded when first used: servers that are not asked for CBOR start without it. */
export function cborCodec(): typeof codec {
  return require('../machinery/cbor.ts') as typeof codec
}
