import type { FieldSelector } from '../machinery/fields.ts'
import { apiVersionOf, groupResourceOf, type ResourceDescription } from './resource.ts'

/** Names of fields that old clients still use. */
const aliases: Readonly<Record<string, Readonly<Record<string, string>>>> = { pods: { 'spec.host': 'spec.nodeName' } }
/** Fields that can be named but have no value: nothing but '' is equal to them. */
const valueless: Readonly<Record<string, readonly string[]>> = { 'statefulsets.apps': ['status.successful'] }

type Text = (field: string, resource: ResourceDescription) => string

const plain: Text = (field) => `field label not supported: ${field}`
const unknown: Text = (field) => `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`

/** Kinds whose refusal reads otherwise. */
const texts: Readonly<Record<string, Text>> = {
  'jobs.batch': (field) => `field label ${JSON.stringify(field)} not supported for batchv1.Job`,
  'statefulsets.apps': (field) => `field label not supported for appsv1.StatefulSet: ${field}`,
  'resourceslices.resource.k8s.io': (field, resource) => `field label not supported for ${apiVersionOf(resource)}, Kind=${resource.kind}: ${field}`,
}

/**
 * A field selector with the names that the resource uses. Throws an `Error` in upstream's words (`AddFieldLabelConversionFunc`) for a
 * field that objects of the resource cannot be selected by.
 */
export function supportedFields(resource: ResourceDescription, selector: FieldSelector): FieldSelector {
  const id = groupResourceOf(resource)
  const renamed = Object.hasOwn(aliases, id) ? aliases[id]! : {}
  const hasOwnText = resource.custom !== undefined || Object.hasOwn(texts, id) || Object.keys(resource.selectableFields).length > 0
  const isKnown = (field: string): boolean => {
    if (field === 'metadata.name' || Object.hasOwn(resource.selectableFields, field)) return true
    // Kinds with a list of their own leave out what cluster-scoped objects don't have.
    if (field === 'metadata.namespace') return resource.namespaced || !hasOwnText
    return Object.hasOwn(valueless, id) && valueless[id]!.includes(field)
  }
  return {
    terms: selector.terms.map((term) => {
      const field = Object.hasOwn(renamed, term.field) ? renamed[term.field]! : term.field
      if (isKnown(field)) return field === term.field ? term : { ...term, field }
      throw new Error((!hasOwnText ? unknown : Object.hasOwn(texts, id) ? texts[id]! : plain)(term.field, resource))
    }),
  }
}
