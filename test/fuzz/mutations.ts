/** A source of chance that gives the same for the same seed (mulberry32). */
export interface Chance { below(n: number): number; pick<T>(list: readonly T[]): T }

export function chanceOf(seed: number): Chance {
  let state = seed
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
  return { below, pick: (list) => list[below(list.length)]! }
}

/** What parsers stumble over, in texts of every kind. */
const oddTexts: readonly string[] = [
  '', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '\u0000', '\ufffd', '\u202e', '☃', '\u{1F600}', ' ', '\n', '\t', '"', "'", '\\', '\\u0000', '\\ud800', '/', '~0~1', ',', '=', '==', '!=', '!', '(', ')', '[', ']', '{', '}',
  '&a', '*a', '<<: *a', '!!binary x', '---', '...', '#', '|', '>', '- ', '? ', ': ', 'null', 'true', '~', '-0', '0x10', '1e999', '-1', '9'.repeat(40), '0.1', '1Ei', '-1Ki', 'NaN', 'Infinity', '2026-13-45T99:99:99Z', '$patch', '$retainKeys', '$setElementOrder/a', 'a'.repeat(300),
  '((((((((((', '[[[[[[[[[[', '{{{{{{{{{{', '%', '%00', '%zz', '..', '*', '?', '+', '(a+)+$', '.*.*.*', ' in (', ' notin (', ';', '\r\n', '10.0.0.0/33', '::ffff:1.2.3.4',
]

/** `input` changed in one to four places: bits, bytes, odd texts, pieces moved, doubled, cut out, or taken from `other`. */
export function mutated(input: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  let bytes: Buffer = Buffer.from(input)
  for (let times = 1 + chance.below(4); times > 0; times--) {
    const at = chance.below(bytes.length + 1)
    const to = Math.min(bytes.length, at + chance.below(chance.pick([2, 8, 64, 1000]) + 1))
    const join = (middle: Uint8Array, resumeAt = at): Buffer => Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(resumeAt)])
    switch (chance.below(9)) {
      case 0: if (at < bytes.length) bytes[at]! ^= 1 << chance.below(8); break
      case 1: if (at < bytes.length) bytes[at] = chance.pick([0, 1, 0x7f, 0x80, 0xff, chance.below(256)]); break
      case 2: bytes = join(Buffer.from(chance.pick(oddTexts))); break
      case 3: bytes = join(Buffer.from(chance.pick(oddTexts)), to); break
      case 4: bytes = join(Buffer.alloc(0), to); break
      case 5: bytes = join(bytes.subarray(at, to)); break
      case 6: bytes = Buffer.from(bytes.subarray(0, at)); break
      case 7: {
        const from = chance.below(other.length + 1)
        bytes = join(other.subarray(from, from + chance.below(64)), to)
        break
      }
      default: bytes = Buffer.concat(Array.from({ length: 1 + chance.below(chance.pick([3, 200])) }, () => bytes.subarray(at, to))); break
    }
    if (bytes.length > maxBytes) bytes = Buffer.from(bytes.subarray(0, maxBytes))
  }
  return bytes
}

/** Larger inputs find no more and take longer. */
const maxBytes = 64 << 10
