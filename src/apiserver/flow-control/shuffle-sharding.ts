import { createHash } from 'node:crypto'

/** Entropy that a hand may use; more would not fit into the hash (upstream: `shufflesharding.MaxHashBits`). */
const maxHashBits = 60

/** Why hands of this size cannot be dealt from a deck of this size; undefined where they can. */
export function dealProblem(deckSize: number, handSize: number): string | undefined {
  if (deckSize <= 0 || handSize <= 0) return `deckSize ${deckSize} or handSize ${handSize} is not positive`
  if (handSize > deckSize) return `handSize ${handSize} is greater than deckSize ${deckSize}`
  if (deckSize > 2 ** 26) return `deckSize ${deckSize} is impractically large`
  if (Math.ceil(Math.log2(deckSize) * handSize) > maxHashBits) return `required entropy bits of deckSize ${deckSize} and handSize ${handSize} is greater than ${maxHashBits}`
  return undefined
}

/** `handSize` different cards of a deck, the same for the same hash: a flow meets another on all its queues only by rare chance. */
export function dealHand(hash: bigint, deckSize: number, handSize: number): number[] {
  const remainders: number[] = []
  let rest = hash
  for (let i = 0; i < handSize; i++) {
    const left = BigInt(deckSize - i)
    remainders.push(Number(rest % left))
    rest /= left
  }
  // Each remainder counts among the cards that are still there: taken ones below it push it up, latest first.
  return remainders.map((remainder, i) => {
    let card = remainder
    for (let j = i - 1; j >= 0; j--) if (card >= remainders[j]!) card++
    return card
  })
}

/** Identifies a flow: a schema and, by its distinguisher, a user or a namespace in it. */
export function hashFlow(schema: string, distinguisher: string): bigint {
  return createHash('sha256').update(schema).update('\0').update(distinguisher).digest().readBigUInt64LE(0)
}
