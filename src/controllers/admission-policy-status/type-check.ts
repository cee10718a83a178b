import { compileAdmissionExpression } from '../../api/cel/admission.ts'
import { kindType } from '../../api/cel/kind-type.ts'
import { schemaType, uniqueTypeName } from '../../api/cel/schema-type.ts'
import { ANY, DYN, type CelType } from '../../api/cel/types.ts'
import { compileSchema } from '../../api/custom/schema.ts'
import { typeById, typeForKind } from '../../api/type-table.ts'
import type { ExpressionWarning, ValidatingAdmissionPolicy } from '../../api/types/admissionregistration.k8s.io_v1.ts'
import type { JSONSchemaProps } from '../../api/types/apiextensions.k8s.io_v1.ts'
import type { DiscoveredResource } from '../../client/discovery.ts'

/** Checks a policy's expressions against the schemas of what it matches (upstream's `TypeChecker`). Loads the expression engine. */
const maxTypes = 10

export interface KnownTypes {
  resources: readonly DiscoveredResource[]
  /** The schema of a kind that is not built in, as the server publishes it; undefined where it publishes none. */
  publishedSchema(kind: Kind): Promise<Readonly<JSONSchemaProps> | undefined>
}

export interface Kind { group: string; version: string; kind: string }

export const apiVersionOf = ({ group, version }: Kind): string => (group === '' ? version : `${group}/${version}`)
/** As Go prints a GroupVersionKind. */
const kindText = (kind: Kind): string => `${kind.group}/${kind.version}, Kind=${kind.kind}`

/** The type of a kind's objects; undefined where no schema is known. */
async function typeOfKind(kind: Kind, { publishedSchema }: KnownTypes): Promise<CelType | undefined> {
  const struct = typeForKind(apiVersionOf(kind), kind.kind)
  const name = uniqueTypeName(kind.kind)
  if (struct !== undefined) return kindType(struct, name)
  const schema = await publishedSchema(kind)
  const type = schema === undefined ? undefined : schemaType(compileSchema(schema), true, name)
  if (type?.fields === undefined) return type
  // Policies see all of the metadata, where a definition's own rules see the name only.
  const fields = new Map([...type.fields(), ['metadata', { name: 'metadata', type: kindType(typeById('meta/v1.ObjectMeta')!, `${name}.metadata`) }]])
  return { ...type, fields: () => fields }
}

const hasWildcard = (values: readonly string[]): boolean => values.some((value) => value.includes('*'))

/** Kinds that the policy's rules name, as far as they name any. */
function kindsOf({ spec }: Readonly<ValidatingAdmissionPolicy>, { resources }: KnownTypes): Kind[] {
  const out = new Map<string, Kind>()
  for (const { apiGroups = [], apiVersions = [], resources: wanted = [] } of spec.matchConstraints?.resourceRules ?? []) {
    if (hasWildcard(apiGroups) || hasWildcard(apiVersions)) continue
    let count = 0
    for (const group of apiGroups.toSorted()) {
      for (const version of apiVersions.toSorted()) {
        for (const resource of wanted.filter((each) => !/[*/]/.test(each)).toSorted()) {
          const found = resources.find((each) => each.group === group && each.resource === resource)
          const kind = found === undefined ? undefined : { group, version, kind: found.kind }
          if (kind === undefined || count === maxTypes) continue
          out.set(kindText(kind), kind)
          count += 1
        }
      }
    }
  }
  return [...out.values()].toSorted((a, b) => (kindText(a) < kindText(b) ? -1 : 1))
}

/** What is doubtful about a policy's expressions; they work as they are written all the same. */
export async function expressionWarnings(policy: Readonly<ValidatingAdmissionPolicy>, known: KnownTypes): Promise<ExpressionWarning[]> {
  const kinds: { kind: Kind; type: CelType }[] = []
  for (const kind of kindsOf(policy, known)) {
    const type = await typeOfKind(kind, known)
    if (type !== undefined) kinds.push({ kind, type })
  }
  const { paramKind, variables = [] } = policy.spec
  const params = paramKind === undefined ? undefined : await typeOfKind(splitKind(paramKind.apiVersion ?? '', paramKind.kind ?? ''), known)
  const check = (expression: string): string => kinds.map(({ kind, type }) => {
    const common = { resultTypes: [ANY], hasAuthorizer: true, hasParams: paramKind !== undefined, types: { object: type, params } }
    const types: Record<string, CelType> = {}
    for (const { name, expression: text } of variables) types[name] = compileAdmissionExpression({ ...common, expression: text, variables: { ...types } }).compiled?.type ?? DYN
    const { problem } = compileAdmissionExpression({ ...common, expression, variables: types })
    return problem === undefined ? '' : `${kindText(kind)}: ${problem.replace(/^compilation failed: /, '')}\n`
  }).filter((text) => text !== '').join('\n')
  const out: ExpressionWarning[] = []
  for (const [i, { expression, messageExpression = '' }] of (policy.spec.validations ?? []).entries()) {
    for (const [field, text] of [['expression', expression], ['messageExpression', messageExpression]] as const) {
      const warning = text === '' ? '' : check(text)
      if (warning !== '') out.push({ fieldRef: `spec.validations[${i}].${field}`, warning })
    }
  }
  return out
}

function splitKind(apiVersion: string, kind: string): Kind {
  const slash = apiVersion.indexOf('/')
  return { group: slash < 0 ? '' : apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1), kind }
}
