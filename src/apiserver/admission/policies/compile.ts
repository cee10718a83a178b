import { compileAdmissionExpression, patchListType, applyConfigurationType } from '../../../api/cel/admission.ts'
import type { Compilation } from '../../../api/cel/expression.ts'
import { BOOL, DYN, NULL, STRING, ANY, type CelType } from '../../../api/cel/types.ts'
import type { MatchCondition, MutatingAdmissionPolicy, ValidatingAdmissionPolicy, Validation, Variable } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import type { NamedExpression } from './evaluation.ts'

/** Policies' expressions, compiled once a policy. */
export interface CompiledConditions { conditions: readonly NamedExpression[] }

export interface CompiledVariables { variables: readonly NamedExpression[]; types: Readonly<Record<string, CelType>> }

interface Scope { hasParams: boolean; types?: { object?: CelType | undefined; params?: CelType | undefined } }

/** Variables in their order: each may name those before it. */
export function compileVariables(variables: readonly Variable[], scope: Scope): CompiledVariables {
  const types: Record<string, CelType> = {}
  const compiled = variables.map(({ name, expression }): NamedExpression => {
    const compilation = compileAdmissionExpression({ expression, resultTypes: [ANY], hasAuthorizer: true, variables: { ...types }, ...scope })
    types[name] = compilation.compiled?.type ?? DYN
    return { name, expression, compilation }
  })
  return { variables: compiled, types }
}

export function compileConditions(conditions: readonly MatchCondition[], scope: Scope, variables?: Readonly<Record<string, CelType>>): NamedExpression[] {
  return conditions.map(({ name, expression }) => ({
    name, expression, compilation: compileAdmissionExpression({ expression, resultTypes: [BOOL], hasAuthorizer: true, ...scope, ...(variables === undefined ? {} : { variables }) }),
  }))
}

export interface CompiledValidation { validation: Readonly<Validation>; rule: Compilation; message: Compilation | undefined }

export interface CompiledValidatingPolicy extends CompiledVariables {
  conditions: readonly NamedExpression[]
  validations: readonly CompiledValidation[]
  annotations: readonly { key: string; expression: string; compilation: Compilation }[]
}

export function compileValidatingPolicy({ spec }: Readonly<ValidatingAdmissionPolicy>): CompiledValidatingPolicy {
  const scope: Scope = { hasParams: spec.paramKind !== undefined }
  const { variables, types } = compileVariables(spec.variables ?? [], scope)
  const conditions = compileConditions(spec.matchConditions ?? [], scope, types)
  const validations = (spec.validations ?? []).map((validation): CompiledValidation => ({
    validation,
    rule: compileAdmissionExpression({ expression: validation.expression, resultTypes: [BOOL], hasAuthorizer: true, variables: types, ...scope }),
    message: (validation.messageExpression ?? '') === '' ? undefined : compileAdmissionExpression({ expression: validation.messageExpression!, resultTypes: [STRING], variables: types, ...scope }),
  }))
  const annotations = (spec.auditAnnotations ?? []).map(({ key, valueExpression }) => ({
    key, expression: valueExpression, compilation: compileAdmissionExpression({ expression: valueExpression, resultTypes: [STRING, NULL], variables: types, ...scope }),
  }))
  return { variables, types, conditions, validations, annotations }
}

export interface CompiledMutation { patchType: 'ApplyConfiguration' | 'JSONPatch'; expression: string; compilation: Compilation }
export interface CompiledMutatingPolicy extends CompiledVariables { conditions: readonly NamedExpression[]; mutations: readonly CompiledMutation[] }

export function compileMutatingPolicy({ spec }: Readonly<MutatingAdmissionPolicy>): CompiledMutatingPolicy {
  const scope: Scope = { hasParams: spec!.paramKind !== undefined }
  const { variables, types } = compileVariables(spec!.variables ?? [], scope)
  const conditions = compileConditions(spec!.matchConditions ?? [], scope, types)
  const mutations = (spec!.mutations ?? []).map(({ patchType, jsonPatch, applyConfiguration }): CompiledMutation => {
    const isPatch = patchType === 'JSONPatch'
    const expression = (isPatch ? jsonPatch?.expression : applyConfiguration?.expression) ?? ''
    return {
      patchType: isPatch ? 'JSONPatch' : 'ApplyConfiguration', expression,
      compilation: compileAdmissionExpression({ expression, resultTypes: [isPatch ? patchListType : applyConfigurationType], hasAuthorizer: true, hasPatchTypes: true, variables: types, ...scope }),
    }
  })
  return { variables, types, conditions, mutations }
}
