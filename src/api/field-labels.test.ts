import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFieldSelector } from '../machinery/fields.ts'
import { builtinResources } from './builtin.ts'
import { supportedFields } from './field-labels.ts'

const table = builtinResources()

/** The fields that a selector comes to, or why it is refused. */
function fieldsOf(id: string, selector: string): string {
  const [resource = '', ...group] = id.split('.')
  const [version = ''] = table.versions(group.join('.'))
  try {
    return supportedFields(table.find(group.join('.'), version, resource)!, parseFieldSelector(selector)).terms.map(({ field }) => field).join()
  } catch (error) {
    return (error as Error).message
  }
}

test('each kind is selected by its own fields, and refuses others in its own words', () => {
  const cases: Array<[string, string, string]> = [
    ['pods', 'status.phase=Running', 'status.phase'], ['pods', 'spec.host=n1', 'spec.nodeName'], ['pods', 'spec.foo=1', 'field label not supported: spec.foo'],
    ['pods', 'metadata.namespace=x', 'metadata.namespace'], ['configmaps', 'metadata.namespace=x', 'metadata.namespace'],
    ['configmaps', 'data.x=1', '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
    ['nodes', 'spec.unschedulable=true', 'spec.unschedulable'], ['nodes', 'metadata.namespace=x', 'field label not supported: metadata.namespace'],
    ['namespaces', 'metadata.namespace=x', 'field label not supported: metadata.namespace'], ['persistentvolumes', 'metadata.namespace=x', 'metadata.namespace'],
    ['jobs.batch', 'status.successful=1', 'status.successful'], ['jobs.batch', 'spec.x=1', 'field label "spec.x" not supported for batchv1.Job'],
    ['statefulsets.apps', 'status.successful=1', 'status.successful'], ['statefulsets.apps', 'spec.x=1', 'field label not supported for appsv1.StatefulSet: spec.x'],
    ['deployments.apps', 'spec.replicas=1', '"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"'],
    ['resourceslices.resource.k8s.io', 'spec.pool.name=x', 'field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.pool.name'],
    ['events', 'involvedObject.name=x', 'involvedObject.name'], ['secrets', 'constructor=x', 'field label not supported: constructor'],
  ]
  for (const [id, selector, wanted] of cases) assert.equal(fieldsOf(id, selector), wanted, `${id} ${selector}`)
})
