import { estimateCost } from './cost-estimate.ts'
import { compileExpression, type CompiledExpression } from './expression.ts'
import { libraryTypes } from './functions.ts'
import { ANY, BOOL, mapOf, objectOf, STRING, typeName, type CelType } from './types.ts'

/** Selectors of devices (KEP-4381): what their expressions may name, and how large it can be. */

const sized = (type: CelType, maxElements: number): CelType => ({ ...type, maxElements })

const maxNames = 32
const domain = sized(STRING, 63)
const id = sized(STRING, 32)
/** Whatever its type, it is no longer than this. */
const attribute = sized(ANY, 64)
/** Attributes are also named as fields, which the estimate knows by their common size. */
const attributes: CelType = { ...sized(mapOf(id, attribute), maxNames), anyField: () => attribute }

const device = objectOf('kubernetes.DRADevice', {
  driver: sized(STRING, 63),
  allowMultipleAllocations: sized(BOOL, 1),
  attributes: sized(mapOf(domain, attributes), maxNames),
  capacity: sized(mapOf(domain, sized(mapOf(id, libraryTypes.Quantity!), maxNames)), maxNames),
})

const costLimit = 1_000_000

export type DeviceSelectorCompilation = { compiled: CompiledExpression; /** Cost units at most. */ maxCost: number; problem?: undefined } | { compiled?: undefined; problem: string }

/** Compiles the selector of a device request or class. `problem` is upstream's text (`k8s.io/dynamic-resource-allocation/cel`). */
export function compileDeviceSelector(expression: string): DeviceSelectorCompilation {
  const compilation = compileExpression({ expression, variables: { device }, costLimit, hasBindings: true })
  if (compilation.problem !== undefined) return { problem: compilation.problem }
  const { compiled } = compilation
  const { kind } = compiled.type
  if (kind !== 'bool' && kind !== 'any') return { problem: `must evaluate to bool or the unknown type, not ${typeName(compiled.type)}` }
  return { compiled, maxCost: estimateCost(compiled.tree, device).max }
}
