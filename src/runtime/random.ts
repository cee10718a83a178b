import { randomBytes, randomUUID } from 'node:crypto'

/** Chance as components see it; a seeded one makes a run repeatable. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** A whole number in [0, `below`). */
  int(below: number): number
  /** A version 4 UUID. */
  uuid(): string
  /** `count` random bytes; cryptographically strong unless seeded. */
  bytes(count: number): Uint8Array
  /** `count` characters from the alphabet that Kubernetes uses for generated names: no vowels, no look-alikes. */
  suffix(count: number): string
}

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789'

function withSuffix(core: Omit<Random, 'suffix' | 'int'>): Random {
  const int = (below: number): number => Math.floor(core.next() * below)
  const suffix = (count: number): string => {
    let text = ''
    for (let i = 0; i < count; i++) text += suffixAlphabet[int(suffixAlphabet.length)]!
    return text
  }
  return { ...core, int, suffix }
}

/** The machine's own chance. */
export function systemRandom(): Random {
  return withSuffix({ next: () => Math.random(), uuid: () => randomUUID(), bytes: (count) => randomBytes(count) })
}

/** The same sequence for the same `seed` (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => Math.floor(next() * 256))
  const uuid = (): string => {
    const b = bytes(16)
    b[6] = (b[6]! & 0x0f) | 0x40
    b[8] = (b[8]! & 0x3f) | 0x80
    const hex = Buffer.from(b).toString('hex')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }
  return withSuffix({ next, bytes, uuid })
}
