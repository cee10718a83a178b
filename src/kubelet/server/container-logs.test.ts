import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ContainerStatus } from '../../api/types/core_v1.ts'
import type { BoundPod } from '../pods.ts'
import type { ObservedContainer, ObservedPod } from '../runtime-pods.ts'
import { containerForLog } from './container-logs.ts'

const pod = { metadata: { name: 'web', namespace: 'default', uid: 'u' }, spec: { containers: [{ name: 'c', image: 'i' }] } } as unknown as BoundPod
const run = (id: string, state: ObservedContainer['state']): ObservedContainer => ({ id, name: 'c', state, logPath: `/log/${id}` }) as ObservedContainer
const seen = (...containers: ObservedContainer[]): ObservedPod => ({ uid: 'u', name: 'web', namespace: 'default', sandboxes: [], containers })
const toldOf = (last: string | undefined): ContainerStatus[] => [{ name: 'c', lastState: last === undefined ? {} : { terminated: { containerID: `containerd://${last}`, exitCode: 1 } } } as unknown as ContainerStatus]

describe('the run before', () => {
  const cases: { title: string; runs: ObservedContainer[]; told: string | undefined; found: string | undefined }[] = [
    { title: 'is the one that the status tells of', runs: [run('2', 'running'), run('1', 'exited')], told: '1', found: '1' },
    { title: 'is the one that ended last where the status does not tell yet', runs: [run('2', 'running'), run('1', 'exited')], told: undefined, found: '1' },
    { title: 'is the one that ended last where the one that the status tells of has made way for it', runs: [run('2', 'exited')], told: '1', found: '2' },
    { title: 'is none where the first run has ended', runs: [run('1', 'exited')], told: undefined, found: undefined },
    { title: 'is none where the first run runs', runs: [run('1', 'running')], told: undefined, found: undefined },
  ]
  for (const { title, runs, told, found } of cases) {
    it(title, () => {
      const find = (): string => containerForLog(pod, seen(...runs), toldOf(told), 'c', true).id
      if (found === undefined) assert.throws(find, /previous terminated container "c" in pod "web" not found/)
      else assert.equal(find(), found)
    })
  }
})
