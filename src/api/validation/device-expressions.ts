import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import type { DeviceSelectorCompilation } from '../cel/devices.ts'

/** Selectors of devices. */

type Compile = (expression: string) => DeviceSelectorCompilation
let compile: Compile | undefined

/** Gives selectors somebody who compiles them; whoever admits one loads the engine first, since most servers have none. Until then their text goes unread. */
export function useDeviceCompiler(compiler: Compile): void {
  compile = compiler
}

const maxExpressionBytes = 10 * 1024
const maxCost = 1_000_000

export function checkDeviceExpression(out: FieldError[], path: string, expression: string): void {
  if (Buffer.byteLength(expression) > maxExpressionBytes) return void out.push(fieldErrors.tooLong(path, maxExpressionBytes))
  const compilation = compile?.(expression)
  if (compilation === undefined) return
  if (compilation.problem !== undefined) out.push(fieldErrors.invalid(path, expression, compilation.problem))
  else if (compilation.maxCost > maxCost) out.push(fieldErrors.forbidden(path, 'too complex, exceeds cost limit'))
}
