import { hasRules } from '../../api/custom/rules-in-schema.ts'
import { useRuleChecker } from '../../api/custom/schema-validation.ts'
import type { CustomResourceDefinition } from '../../api/types/apiextensions.k8s.io_v1.ts'
import type { AdmissionPlugin } from '../context.ts'

/**
 * Loads the CEL engine when the first definition with rules comes, ahead of its validation, which cannot wait. Servers
 * without such definitions never pay for it.
 */
export function ruleCompilerPlugin(): AdmissionPlugin {
  let isLoaded = false
  return {
    name: 'CustomResourceRules',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['customresourcedefinitions.apiextensions.k8s.io'],
    async mutate({ resource, object }) {
      if (isLoaded || resource.kind !== 'CustomResourceDefinition' || object === undefined) return
      const { spec } = object as unknown as CustomResourceDefinition
      if (spec?.versions?.some(hasRules) !== true) return
      const [{ ruleProblems }, { defaultRuleProblems }] = await Promise.all([import('../../api/custom/rules-validation.ts'), import('../../api/custom/rules.ts')])
      useRuleChecker({ problems: ruleProblems, checkDefault: defaultRuleProblems })
      isLoaded = true
    },
  }
}
