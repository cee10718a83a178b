import type { ValidatingAdmissionPolicy } from '../../api/types/admissionregistration.k8s.io_v1.ts'
import type { JSONSchemaProps } from '../../api/types/apiextensions.k8s.io_v1.ts'
import type { Client, ResourceType } from '../../client/client.ts'
import { runController, watching } from '../../client/controller.ts'
import { discover } from '../../client/discovery.ts'
import { isReason } from '../../machinery/status.ts'
import type { StartController } from '../context.ts'
import type { Kind } from './type-check.ts'

const policies: ResourceType<ValidatingAdmissionPolicy> = { group: 'admissionregistration.k8s.io', version: 'v1', resource: 'validatingadmissionpolicies', kind: 'ValidatingAdmissionPolicy', namespaced: false }

interface OpenApiDocument { components?: { schemas?: Record<string, JSONSchemaProps & { 'x-kubernetes-group-version-kind'?: readonly Kind[] }> } }

/** The schema that the server publishes of a kind (OpenAPI v3). */
async function publishedSchema(client: Client, { group, version, kind }: Kind, signal: AbortSignal): Promise<JSONSchemaProps | undefined> {
  try {
    const response = await client.request({ method: 'GET', path: `/openapi/v3/${group === '' ? `api/${version}` : `apis/${group}/${version}`}`, headers: { accept: 'application/json' }, signal })
    const document = (response.value ?? JSON.parse(Buffer.from(await response.bytes()).toString())) as OpenApiDocument
    return Object.values(document.components?.schemas ?? {}).find((schema) => schema['x-kubernetes-group-version-kind']?.some((each) => each.group === group && each.version === version && each.kind === kind))
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  }
}

/** Checks the types of each new generation of a ValidatingAdmissionPolicy, and tells in its status what is doubtful (validatingadmissionpolicy-status). */
export const startAdmissionPolicyStatusController: StartController = ({ informers, client, runtime }) => {
  const informer = informers.informer(policies)
  return runController({
    name: 'validatingadmissionpolicy-status-controller', runtime, concurrency: 5, sources: [watching(informer)],
    async reconcile(name, signal) {
      const policy = informer.get(name)
      const generation = policy?.metadata.generation
      if (policy === undefined || generation === undefined || (policy.status?.observedGeneration ?? 0) >= generation) return
      const [{ resources }, { expressionWarnings }] = await Promise.all([discover(client, signal), import('./type-check.ts')])
      const warnings = await expressionWarnings(policy, { resources, publishedSchema: (kind) => publishedSchema(client, kind, signal) })
      const status = { ...policy.status, observedGeneration: generation, typeChecking: warnings.length === 0 ? {} : { expressionWarnings: warnings } }
      await client.updateStatus(policies, { ...policy, status })
    },
  })
}
