import type { ReplicaSet } from '../../api/types/apps_v1.ts'
import { replicaSets } from '../../client/resources.ts'
import type { StartController } from '../context.ts'
import { startReplication, type ReplicationKind } from './engine.ts'

const kind: ReplicationKind<ReplicaSet> = {
  controllerName: 'replicaset-controller',
  type: replicaSets,
  specOf: ({ spec }) => ({ replicas: spec?.replicas ?? 1, minReadySeconds: spec?.minReadySeconds ?? 0, selector: spec?.selector, template: spec?.template ?? { metadata: {}, spec: { containers: [] } } }),
  statusOf: ({ status }) => status ?? { replicas: 0 },
  withStatus: (owner, status) => ({ ...owner, status }),
  countsTerminating: true,
}

export const startReplicaSetController: StartController = (context) => startReplication(kind, context)
