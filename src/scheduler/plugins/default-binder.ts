import type { Client } from '../../client/client.ts'
import { pods } from '../../client/resources.ts'
import type { Binding } from '../../api/types/core_v1.ts'
import type { Plugin } from '../framework.ts'

/** Writes the decision through the pod's binding subresource. */
export function defaultBinder(client: Client): Plugin {
  return {
    name: 'DefaultBinder',
    async bind(_state, { pod }, node) {
      const { namespace = '', name = '', uid } = pod.metadata
      const binding: Binding = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name, uid }, target: { kind: 'Node', name: node } }
      await client.createSubresource(pods, namespace, name, 'binding', binding)
      return undefined
    },
  }
}
