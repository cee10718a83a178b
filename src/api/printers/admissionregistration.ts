import { labelSelectorText } from '../../machinery/labels.ts'
import type {
  MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, ParamKind, ParamRef, ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
} from '../types/admissionregistration.k8s.io_v1.ts'
import { age, ageColumn, column, nameColumn, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

const webhooks = printer<MutatingWebhookConfiguration | ValidatingWebhookConfiguration>(
  [nameColumn, column('Webhooks', 'integer', 'Webhooks indicates the number of webhooks registered in this configuration'), ageColumn],
  (configuration, nowMs) => [configuration.metadata.name ?? '', configuration.webhooks?.length ?? 0, age(configuration, nowMs)])

const bindings = printer<MutatingAdmissionPolicyBinding | ValidatingAdmissionPolicyBinding>([
  nameColumn,
  column('PolicyName', 'string', 'PolicyName indicates the policy definition which the policy binding binded to'),
  column('ParamRef', 'string', 'ParamRef indicates the param resource which sets the configuration param'),
  ageColumn,
], (binding, nowMs) => [binding.metadata.name ?? '', binding.spec.policyName ?? '', paramRefText(binding.spec.paramRef), age(binding, nowMs)])

function paramRefText(ref: ParamRef | undefined): string {
  if (ref?.name !== undefined && ref.name !== '') return `${ref.namespace || '*'}/${ref.name}`
  return ref?.selector === undefined ? '<unset>' : labelSelectorText(ref.selector)
}

function paramKindText(kind: ParamKind | undefined): string {
  return kind === undefined ? '<unset>' : `${kind.apiVersion ?? ''}/${kind.kind ?? ''}`
}

const paramKindColumn = column('ParamKind', 'string', 'ParamKind specifies the kind of resources used to parameterize this policy')

export const admissionregistrationPrinters: Record<string, KindPrinter> = {
  MutatingWebhookConfiguration: webhooks,
  ValidatingWebhookConfiguration: webhooks,
  ValidatingAdmissionPolicy: printer<ValidatingAdmissionPolicy>(
    [nameColumn, column('Validations', 'integer', 'Validations indicates the number of validation rules defined in this configuration'), paramKindColumn, ageColumn],
    (policy, nowMs) => [policy.metadata.name ?? '', policy.spec.validations?.length ?? 0, paramKindText(policy.spec.paramKind), age(policy, nowMs)]),
  MutatingAdmissionPolicy: printer<MutatingAdmissionPolicy>(
    [nameColumn, column('Mutations', 'integer', 'Mutation indicates the number of mutations rules defined in this configuration'), paramKindColumn, ageColumn],
    (policy, nowMs) => [policy.metadata.name ?? '', policy.spec.mutations?.length ?? 0, paramKindText(policy.spec.paramKind), age(policy, nowMs)]),
  ValidatingAdmissionPolicyBinding: bindings,
  MutatingAdmissionPolicyBinding: bindings,
}
