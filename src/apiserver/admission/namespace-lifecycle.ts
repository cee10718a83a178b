import type { Namespace } from '../../api/types/core_v1.ts'
import { errors } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { whenKnown, type Known } from '../known.ts'
import { refusal } from './refusal.ts'

const immortal = new Set(['default', 'kube-system', 'kube-public'])

/**
 * Nothing is created in a namespace that is missing or being deleted, and the system's namespaces can't be deleted. Namespaces
 * are read from the store's newest state, so that a create right behind the namespace's own creation or deletion sees it.
 */
export function namespaceLifecycle(core: ApiServerCore): AdmissionPlugin {
  const namespaces = core.resource('namespaces')

  function terminating(attributes: AdmissionAttributes): Error {
    const { namespace } = attributes
    const error = refusal(attributes, `unable to create new content in namespace ${namespace} because it is being terminated`)
    error.status.details = {
      ...error.status.details, causes: [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }],
    }
    return error
  }

  function check(attributes: AdmissionAttributes, found: Namespace | undefined): void {
    if (found === undefined) throw errors.notFound(namespaces, attributes.namespace)
    if (attributes.operation === 'CREATE' && found.status?.phase === 'Terminating') throw terminating(attributes)
  }

  return {
    name: 'NamespaceLifecycle',
    handles: (operation) => operation !== 'CONNECT',
    mutate(attributes) {
      const { operation, namespace, resource } = attributes
      if (resource.group === '' && resource.resource === 'namespaces') {
        if (operation === 'DELETE' && immortal.has(attributes.name)) throw errors.forbidden(resource, attributes.name, 'this namespace may not be deleted')
        return
      }
      if (namespace === '' || operation === 'DELETE') return
      // Whoever asks about rights in a namespace may not learn whether it exists.
      if (resource.resource === 'localsubjectaccessreviews' && resource.group === 'authorization.k8s.io') return
      return whenKnown(core.registry.findNow(namespaces, '', namespace) as Known<Namespace | undefined>, (found) => check(attributes, found))
    },
  }
}
