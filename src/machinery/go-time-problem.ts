/** What Go's `time` package says of texts that are no times or durations. Only failures come here. */

const quoteEscapes: Record<string, string> = { '"': '\\"', '\\': '\\\\' }

/** As `time` quotes values in its errors. */
function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, (char) => quoteEscapes[char]!).replaceAll(/[^\x20-\x7e]/gu, (char) => [...Buffer.from(char)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''))}"`
}

interface Element { text: string; digits?: number; range?: [least: number, most: number, name: string] }

const dateAndTime: readonly Element[] = [
  { text: '2006', digits: 4 }, { text: '-' }, { text: '01', digits: 2, range: [1, 12, 'month'] }, { text: '-' }, { text: '02', digits: 2 }, { text: 'T' },
  { text: '15', digits: 2, range: [0, 23, 'hour'] }, { text: ':' }, { text: '04', digits: 2, range: [0, 59, 'minute'] }, { text: ':' }, { text: '05', digits: 2, range: [0, 59, 'second'] },
]

/**
 * Why a text is no RFC 3339 time: `parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`. `fraction` is
 * the part of the layout for fractions of a second, '' or `.000000`.
 */
export function timeProblem(text: string, fraction: '' | '.000000'): string {
  const layout = `2006-01-02T15:04:05${fraction}Z07:00`
  const cannot = (rest: string, element: string): string => `parsing time ${quote(text)} as ${quote(layout)}: cannot parse ${quote(rest)} as ${quote(element)}`
  const outOfRange = (what: string): string => `parsing time ${quote(text)}: ${what} out of range`
  let rest = text
  const numbers: number[] = []
  for (const { text: element, digits, range } of dateAndTime) {
    if (digits === undefined) {
      if (!rest.startsWith(element)) return cannot(rest, element)
      rest = rest.slice(element.length)
      continue
    }
    const found = new RegExp(`^\\d{${digits}}`).exec(rest)?.[0]
    if (found === undefined) return cannot(rest, element)
    rest = rest.slice(digits)
    const number = Number(found)
    if (range !== undefined && (number < range[0] || number > range[1])) return outOfRange(range[2])
    numbers.push(number)
  }
  const given = /^[.,]\d+/.exec(rest)?.[0]
  if (fraction !== '' && (given === undefined || given.length < fraction.length)) return cannot(rest, fraction)
  rest = rest.slice(fraction === '' ? (given ?? '').length : fraction.length)
  const zone = /^(?:Z|[+-](\d\d):(\d\d))/.exec(rest)
  if (zone === null) return cannot(rest, 'Z07:00')
  if (Number(zone[1] ?? 0) > 24) return outOfRange('time zone offset hour')
  if (Number(zone[2] ?? 0) > 60) return outOfRange('time zone offset minute')
  if (rest.length > zone[0].length) return `parsing time ${quote(text)}: extra text: ${quote(rest.slice(zone[0].length))}`
  return outOfRange('day')
}

/** Why a text is no duration: `time: unknown unit "x" in duration "5x"`. */
export function durationProblem(text: string): string {
  let rest = text.replace(/^[+-]/, '')
  while (rest !== '') {
    const number = /^(?:\d+\.?\d*|\.\d+)/.exec(rest)?.[0]
    if (number === undefined) break
    rest = rest.slice(number.length)
    const unit = /^[^.\d]*/.exec(rest)![0]
    if (unit === '') return `time: missing unit in duration ${quote(text)}`
    if (!['ns', 'us', 'µs', 'μs', 'ms', 's', 'm', 'h'].includes(unit)) return `time: unknown unit ${quote(unit)} in duration ${quote(text)}`
    rest = rest.slice(unit.length)
  }
  return `time: invalid duration ${quote(text)}`
}
