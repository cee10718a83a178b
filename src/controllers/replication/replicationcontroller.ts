import type { ReplicationController } from '../../api/types/core_v1.ts'
import { replicationControllers } from '../../client/resources.ts'
import type { StartController } from '../context.ts'
import { startReplication, type ReplicationKind } from './engine.ts'

const kind: ReplicationKind<ReplicationController> = {
  controllerName: 'replication-controller',
  type: replicationControllers,
  specOf: ({ spec }) => ({ replicas: spec?.replicas ?? 1, minReadySeconds: spec?.minReadySeconds ?? 0, selector: { matchLabels: spec?.selector ?? {} }, template: spec?.template ?? { metadata: {}, spec: { containers: [] } } }),
  statusOf: ({ status }) => status ?? { replicas: 0 },
  withStatus: (owner, status) => ({ ...owner, status }),
  countsTerminating: false,
}

export const startReplicationControllerController: StartController = (context) => startReplication(kind, context)
