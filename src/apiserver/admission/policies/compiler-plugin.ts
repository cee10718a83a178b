import { usePolicyCompiler } from '../../../api/validation/admission-policies.ts'
import type { AdmissionPlugin } from '../../context.ts'

/** Loads the expression engine when the first admission policy comes, ahead of its validation, which cannot wait. */
export function policyCompilerPlugin(): AdmissionPlugin {
  let isLoaded = false
  return {
    name: 'AdmissionPolicyExpressions',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['validatingadmissionpolicies.admissionregistration.k8s.io', 'mutatingadmissionpolicies.admissionregistration.k8s.io'],
    mutate() {
      return isLoaded ? undefined : import('../../../api/cel/admission.ts').then(({ compileAdmissionExpression }) => {
        usePolicyCompiler(compileAdmissionExpression)
        isLoaded = true
      })
    },
  }
}
