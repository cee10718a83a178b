import type { OpenObject } from '../../machinery/object.ts'
import type { Strategy } from '../resource.ts'

type Convert = (object: OpenObject) => OpenObject

/** Makes `object` hold what `from` holds, and nothing else. */
function replace(object: OpenObject, from: OpenObject): void {
  for (const key of Object.keys(object)) if (!(key in from)) delete object[key]
  Object.assign(object, from)
}

/**
 * A strategy written for one form of a kind, for another version of it: objects are converted on the way in, and back where
 * the strategy has changed them. Causes name the paths of the form the strategy knows, as upstream's do those of its internal one.
 */
export function convertedStrategy(strategy: Strategy, toKnown: Convert, fromKnown: Convert): Strategy {
  const { prepareForCreate, prepareForUpdate, validate, validateUpdate, warnings } = strategy
  const copied = (object: Readonly<OpenObject>): OpenObject => toKnown(structuredClone(object) as OpenObject)
  return {
    ...strategy,
    ...(prepareForCreate === undefined ? {} : {
      prepareForCreate: (object, context) => {
        const known = toKnown(object)
        prepareForCreate(known, context)
        replace(object, fromKnown(known))
      },
    }),
    ...(prepareForUpdate === undefined ? {} : {
      prepareForUpdate: (object, old, context) => {
        const known = toKnown(object)
        prepareForUpdate(known, copied(old), context)
        replace(object, fromKnown(known))
      },
    }),
    ...(validate === undefined ? {} : { validate: (object, context) => validate(copied(object), context) }),
    ...(validateUpdate === undefined ? {} : { validateUpdate: (object, old, context) => validateUpdate(copied(object), copied(old), context) }),
    ...(warnings === undefined ? {} : { warnings: (object, old) => warnings(copied(object), old === undefined ? undefined : copied(old)) }),
  }
}
