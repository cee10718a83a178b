import { validateDefinition, validateDefinitionStatus, validateDefinitionUpdate } from '../custom/definition-validation.ts'
import type { CustomResourceDefinition } from '../types/apiextensions.k8s.io_v1.ts'
import type { Validation } from './validation.ts'

export const customResourceDefinitionValidation: Validation = {
  validate: (object) => validateDefinition(object as unknown as CustomResourceDefinition),
  validateUpdate: (object, old) => validateDefinitionUpdate(object as unknown as CustomResourceDefinition, old as unknown as CustomResourceDefinition),
  validateStatusUpdate: (object) => validateDefinitionStatus(object as unknown as CustomResourceDefinition),
}
