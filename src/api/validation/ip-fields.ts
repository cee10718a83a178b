import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { cidrErrors, ipErrors, parseSloppyIp } from '../../machinery/ip-checks.ts'
import { addInvalid } from './check.ts'

/** Addresses and ranges in fields that came before the strict rules: what an object had before, it may keep (KEP-4858). */

/** Whether `text` will do as an address. */
export function checkIp(out: FieldError[], path: string, text: string, before: readonly string[] = []): boolean {
  if (before.includes(text)) return true
  const messages = ipErrors(text)
  addInvalid(out, path, text, messages)
  return messages.length === 0
}

export function checkCidr(out: FieldError[], path: string, text: string, before: readonly string[] = []): void {
  if (!before.includes(text)) addInvalid(out, path, text, cidrErrors(text))
}

/** Addresses that mean something to the host that reads them, never to others. */
export function checkNonSpecialIp(out: FieldError[], path: string, text: string): void {
  const ip = parseSloppyIp(text)
  if (ip === undefined) return void out.push(fieldErrors.invalid(path, text, 'must be a valid IP address'))
  const top = (bits: number): bigint => ip.value >> BigInt((ip.family === 4 ? 32 : 128) - bits)
  if (ip.value === 0n) out.push(fieldErrors.invalid(path, text, `may not be unspecified (${text})`))
  if (ip.family === 4 ? top(8) === 127n : ip.value === 1n) out.push(fieldErrors.invalid(path, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'))
  if (ip.family === 4 ? top(16) === 0xa9fen : top(10) === 0x3fan) out.push(fieldErrors.invalid(path, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'))
  if (ip.family === 4 ? top(24) === 0xe00000n : top(16) === 0xff02n) out.push(fieldErrors.invalid(path, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'))
}
