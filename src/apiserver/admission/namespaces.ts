import { errors, isReason } from '../../machinery/status.ts'
import { asServer } from '../bootstrap/ensure.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { refusal } from './refusal.ts'

function liesInNamespace({ namespace, resource }: AdmissionAttributes): boolean {
  return namespace !== '' && !(resource.resource === 'namespaces' && resource.group === '')
}

/** Makes a namespace that something is created in and that isn't there. Off by default. */
export function namespaceAutoProvision(core: ApiServerCore): AdmissionPlugin {
  const namespaces = core.resource('namespaces')
  return {
    name: 'NamespaceAutoProvision',
    handles: (operation) => operation === 'CREATE',
    async mutate(attributes) {
      if (attributes.dryRun || !liesInNamespace(attributes)) return
      if (await core.registry.find(namespaces, '', attributes.namespace) !== undefined) return
      try {
        await core.registry.create(namespaces, '', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: attributes.namespace } }, { ...asServer(core, namespaces), admission: {} })
      } catch (error) {
        if (isReason(error, 'AlreadyExists')) return
        throw refusal(attributes, error instanceof Error ? error : String(error))
      }
    },
  }
}

/** Refuses whatever lies in a namespace that isn't there. Off by default: NamespaceLifecycle does as much and more. */
export function namespaceExists(core: ApiServerCore): AdmissionPlugin {
  const namespaces = core.resource('namespaces')
  return {
    name: 'NamespaceExists',
    handles: (operation) => operation !== 'CONNECT',
    async validate(attributes) {
      if (!liesInNamespace(attributes)) return
      if (await core.registry.find(namespaces, '', attributes.namespace) === undefined) throw errors.notFound(namespaces, attributes.namespace)
    },
  }
}
