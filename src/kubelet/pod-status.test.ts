import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerState, ContainerStatus, PodSpec } from '../api/types/core_v1.ts'
import { podPhase } from './pod-status.ts'
import { statusPatch } from './pod-statuses.ts'
import { boundPod } from './pods.ts'

const running: ContainerState = { running: {} }
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } }
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode } })
interface Case { title: string; policy?: string; init?: [ContainerState, ContainerState?][]; sidecar?: { state: ContainerState; started: boolean }; containers: [ContainerState, ContainerState?][]; over?: boolean; phase: string }

const cases: Case[] = [
  { title: 'all run', containers: [[running], [running]], phase: 'Running' },
  { title: 'one still waits', containers: [[running], [waiting]], phase: 'Pending' },
  { title: 'one is being restarted', containers: [[running], [waiting, ended(1)]], phase: 'Running' },
  { title: 'all have ended well and start again', containers: [[ended(0)]], phase: 'Running' },
  { title: 'all have ended well', policy: 'OnFailure', containers: [[ended(0)], [ended(0)]], phase: 'Succeeded' },
  { title: 'one has failed for good', policy: 'Never', containers: [[ended(0)], [ended(2)]], phase: 'Failed' },
  { title: 'one has failed and is tried again', policy: 'OnFailure', containers: [[ended(0)], [ended(2)]], phase: 'Running' },
  { title: 'the pod was ended, its containers went well', containers: [[ended(0)]], over: true, phase: 'Succeeded' },
  { title: 'the pod was ended, its containers were killed', containers: [[ended(137)]], over: true, phase: 'Failed' },
  { title: 'init runs', init: [[running]], containers: [[waiting]], phase: 'Pending' },
  { title: 'init failed for good', policy: 'Never', init: [[ended(1)]], containers: [[waiting]], phase: 'Failed' },
  { title: 'init failed and is tried again', init: [[waiting, ended(1)]], containers: [[waiting]], phase: 'Pending' },
  { title: 'init done', init: [[ended(0)]], containers: [[running]], phase: 'Running' },
  { title: 'the sidecar has not started', sidecar: { state: running, started: false }, containers: [[waiting]], phase: 'Pending' },
  { title: 'the sidecar runs on', policy: 'Never', sidecar: { state: running, started: true }, containers: [[ended(0)]], phase: 'Succeeded' },
]

for (const { title, policy = 'Always', init = [], sidecar, containers, over = false, phase } of cases) {
  test(`phase: ${title}`, () => {
    const status = (name: string, [state, lastState = {}]: [ContainerState, ContainerState?], started = false): ContainerStatus => ({ name, state, lastState, started, ready: false, restartCount: 0, image: '', imageID: '' })
    const spec: PodSpec = {
      restartPolicy: policy, containers: containers.map((_, at) => ({ name: `c${at}` })),
      initContainers: [...init.map((_, at) => ({ name: `i${at}` })), ...(sidecar === undefined ? [] : [{ name: 's', restartPolicy: 'Always' }])],
    }
    const statuses = [...init.map((states, at) => status(`i${at}`, states)), ...(sidecar === undefined ? [] : [status('s', [sidecar.state], sidecar.started)]), ...containers.map((states, at) => status(`c${at}`, states))]
    assert.equal(podPhase(boundPod({ metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec }), statuses, over), phase)
  })
}

test('a status patch says what changed, takes back what is gone, and nothing else', () => {
  const ready = { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'm' }
  const base = { phase: 'Pending', podIPs: [{ ip: '10.0.0.1' }], podIP: '10.0.0.1', reason: 'old', conditions: [ready, { type: 'PodScheduled', status: 'True' }] }
  assert.equal(statusPatch('u', base, base), undefined)
  assert.deepEqual(statusPatch('u', base, { phase: 'Running', podIPs: [{ ip: '10.0.0.2' }], podIP: '10.0.0.2', conditions: [{ type: 'Ready', status: 'True' }, { type: 'PodScheduled', status: 'False' }] }), {
    metadata: { uid: 'u' },
    status: { phase: 'Running', podIP: '10.0.0.2', podIPs: [{ ip: '10.0.0.2' }, { $patch: 'delete', ip: '10.0.0.1' }], reason: null, conditions: [{ type: 'Ready', status: 'True', reason: null, message: null }] },
  })
})
