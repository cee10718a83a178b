import { groupResourceOf } from '../../../api/resource.ts'
import { useDeviceCompiler } from '../../../api/validation/device-expressions.ts'
import { usePolicyCompiler } from '../../../api/validation/admission-policies.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../../context.ts'

interface Hooks { webhooks?: ReadonlyArray<{ matchConditions?: readonly unknown[] }> }

const policies = ['validatingadmissionpolicies.admissionregistration.k8s.io', 'mutatingadmissionpolicies.admissionregistration.k8s.io']
const hooks = ['validatingwebhookconfigurations.admissionregistration.k8s.io', 'mutatingwebhookconfigurations.admissionregistration.k8s.io']
const devices = ['resourceclaims.resource.k8s.io', 'resourceclaimtemplates.resource.k8s.io', 'deviceclasses.resource.k8s.io']

const hasConditions = ({ object }: AdmissionAttributes): boolean => ((object as unknown as Hooks | undefined)?.webhooks ?? []).some(({ matchConditions = [] }) => matchConditions.length > 0)

function loaderOf(name: string, resources: readonly string[], hasExpressions: (attributes: AdmissionAttributes) => boolean, load: () => Promise<void>): AdmissionPlugin {
  let isLoaded = false
  return {
    name, resources,
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    mutate: (attributes) => (isLoaded || !hasExpressions(attributes) ? undefined : load().then(() => { isLoaded = true })),
  }
}

/** Loads the expression engine when the first object with expressions comes, ahead of its validation, which cannot wait. */
export function policyCompilerPlugin(): AdmissionPlugin {
  return loaderOf('AdmissionPolicyExpressions', [...policies, ...hooks], (attributes) => policies.includes(groupResourceOf(attributes.resource)) || hasConditions(attributes), async () => {
    const { compileAdmissionExpression } = await import('../../../api/cel/admission.ts')
    usePolicyCompiler(compileAdmissionExpression)
  })
}

/** The same for selectors of devices. */
export function deviceCompilerPlugin(): AdmissionPlugin {
  return loaderOf('DeviceSelectorExpressions', devices, ({ object }) => JSON.stringify((object as { spec?: unknown } | undefined)?.spec ?? null).includes('"cel"'), async () => {
    const { compileDeviceSelector } = await import('../../../api/cel/devices.ts')
    useDeviceCompiler(compileDeviceSelector)
  })
}
