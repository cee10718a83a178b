import { libraryTypes } from './functions.ts'
import { compileExpression, type Compilation } from './expression.ts'
import { BOOL, DYN, INT, listOf, mapOf, objectOf, STRING, TIMESTAMP, type CelType } from './types.ts'

/** What expressions of admission (policies, match conditions of webhooks) may name, as upstream declares it. */
const texts = listOf(STRING)
const kindType = objectOf('kubernetes.GroupVersionKind', { group: STRING, version: STRING, kind: STRING })
const resourceType = objectOf('kubernetes.GroupVersionResource', { group: STRING, version: STRING, resource: STRING })
const userInfoType = objectOf('kubernetes.UserInfo', { username: STRING, uid: STRING, groups: texts, extra: mapOf(STRING, texts) })

export const admissionRequestType = objectOf('kubernetes.AdmissionRequest', {
  kind: kindType, resource: resourceType, subResource: STRING, requestKind: kindType, requestResource: resourceType, requestSubResource: STRING,
  name: STRING, namespace: STRING, operation: STRING, userInfo: userInfoType, dryRun: BOOL, options: DYN,
})

export const namespaceType = objectOf('kubernetes.Namespace', {
  metadata: objectOf('kubernetes.NamespaceMetadata', {
    name: STRING, generateName: STRING, namespace: STRING, labels: mapOf(STRING, STRING), annotations: mapOf(STRING, STRING), UID: STRING, creationTimestamp: TIMESTAMP,
    deletionGracePeriodSeconds: INT, deletionTimestamp: TIMESTAMP, generation: INT, resourceVersion: STRING, finalizers: texts,
  }),
  spec: objectOf('kubernetes.NamespaceSpec', { finalizers: texts }),
  status: objectOf('kubernetes.NamespaceStatus', {
    conditions: listOf(objectOf('kubernetes.NamespaceCondition', { status: STRING, type: STRING, lastTransitionTime: TIMESTAMP, message: STRING, reason: STRING })), phase: STRING,
  }),
})

/** Variables of policies that stand so far, with the types that they come to. */
export function variablesType(fields: Readonly<Record<string, CelType>>): CelType {
  return objectOf('kubernetes.variables', fields)
}

export interface AdmissionExpression {
  expression: string
  resultTypes: readonly CelType[]
  hasParams?: boolean
  hasAuthorizer?: boolean
  /** May construct apply configurations and JSON patches. */
  hasPatchTypes?: boolean
  /** Of a policy; left out where `variables` is not declared. */
  variables?: Readonly<Record<string, CelType>>
  /** Types of object, oldObject and params where they are known: for checking only. */
  types?: { object?: CelType | undefined; params?: CelType | undefined }
}

const patchType = objectOf('JSONPatch', { op: STRING, path: STRING, from: STRING, value: DYN })
export const patchListType = listOf(patchType)
/** An apply configuration: its fields are whatever they are called. */
export const applyConfigurationType: CelType = dynamicObject('Object')

function dynamicObject(name: string): CelType {
  return { kind: 'object', name, params: [], anyField: () => DYN }
}

function patchTypes(name: string): CelType | undefined {
  if (name === 'JSONPatch') return patchType
  return name === 'Object' || name.startsWith('Object.') ? dynamicObject(name) : undefined
}

/** Compiles an expression of admission. */
export function compileAdmissionExpression({ expression, resultTypes, hasParams = false, hasAuthorizer = false, hasPatchTypes = false, variables, types = {} }: AdmissionExpression): Compilation {
  const { object = DYN, params = DYN } = types
  return compileExpression({
    expression, resultTypes,
    variables: {
      object, oldObject: object, request: admissionRequestType, namespaceObject: namespaceType,
      ...(hasParams ? { params } : {}),
      ...(hasAuthorizer ? { authorizer: libraryTypes.Authorizer!, 'authorizer.requestResource': libraryTypes.ResourceCheck! } : {}),
      ...(variables === undefined ? {} : { variables: variablesType(variables) }),
    },
    ...(hasPatchTypes ? { structType: patchTypes } : {}),
  })
}
