/** Names of types in OpenAPI documents, as upstream derives them from Go packages. */

const packages: Record<string, string> = {
  'meta': 'io.k8s.apimachinery.pkg.apis.meta',
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'apiregistration.k8s.io': 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  'metrics.k8s.io': 'io.k8s.metrics.pkg.apis.metrics',
  'internal.apiserver.k8s.io': 'io.k8s.api.apiserverinternal',
}

/** `apps/v1.Deployment` -> `io.k8s.api.apps.v1.Deployment`. */
export function definitionName(typeId: string): string {
  const dot = typeId.lastIndexOf('.')
  const groupVersion = typeId.slice(0, dot)
  const slash = groupVersion.indexOf('/')
  const group = slash < 0 ? 'core' : groupVersion.slice(0, slash)
  const prefix = Object.hasOwn(packages, group) ? packages[group] : `io.k8s.api.${group.split('.')[0]}`
  return `${prefix}.${groupVersion.slice(slash + 1)}.${typeId.slice(dot + 1)}`
}

/** A custom resource's: its group reversed, `stable.example.com/v1 CronTab` -> `com.example.stable.v1.CronTab`. */
export function customDefinitionName(group: string, version: string, kind: string): string {
  return `${group.split('.').reverse().join('.')}.${version}.${kind}`
}

/** Types with an encoding of their own have a definition of their own; what each is, in the two document versions. */
export interface SpecialDefinition { name: string; v2: Record<string, unknown>; v3: Record<string, unknown> }

export const specialDefinitions: Record<string, SpecialDefinition> = {
  time: { name: 'io.k8s.apimachinery.pkg.apis.meta.v1.Time', v2: { type: 'string', format: 'date-time' }, v3: { type: 'string', format: 'date-time' } },
  microTime: { name: 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime', v2: { type: 'string', format: 'date-time' }, v3: { type: 'string', format: 'date-time' } },
  duration: { name: 'io.k8s.apimachinery.pkg.apis.meta.v1.Duration', v2: { type: 'string' }, v3: { type: 'string' } },
  quantity: { name: 'io.k8s.apimachinery.pkg.api.resource.Quantity', v2: { type: 'string' }, v3: { oneOf: [{ type: 'string' }, { type: 'number' }] } },
  intOrString: {
    name: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    v2: { type: 'string', format: 'int-or-string' }, v3: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  },
  raw: { name: 'io.k8s.apimachinery.pkg.runtime.RawExtension', v2: { type: 'object' }, v3: { type: 'object' } },
  fieldsV1: { name: 'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1', v2: { type: 'object' }, v3: { type: 'object' } },
  json: { name: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON', v2: {}, v3: {} },
  array: { name: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray', v2: {}, v3: {} },
  bool: { name: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool', v2: {}, v3: {} },
  stringArray: { name: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray', v2: {}, v3: {} },
  patch: { name: 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch', v2: { type: 'object' }, v3: { type: 'object' } },
}
