import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updateCauses, type Changes } from './testing/causes.ts'

/**
 * Cases of upstream's `TestValidatePodResize` (`pkg/apis/core/validation/validation_test.go`): resources before, after, and a part of what is said;
 * '' where the pod may be resized. Requests that are left out come of limits here.
 */

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod' }, spec: { containers: [{ name: 'main', image: 'image' }] } }

type Amounts = Record<string, string>
const of = (cpu = '', memory = '', storage = ''): Amounts => Object.fromEntries(Object.entries({ cpu, memory, 'ephemeral-storage': storage }).filter(([, amount]) => amount !== ''))
const resources = (requests: Amounts, limits: Amounts = {}): object => ({ requests, limits })

const onlyText = 'spec: Forbidden: only cpu and memory resources are mutable'
const classText = 'Pod QOS Class may not change as a result of resizing'
const limitsGone = 'resources.limits: Forbidden: resource limits cannot be removed'
const requestsGone = 'resources.requests: Forbidden: resource requests cannot be removed'

const rows: ReadonlyArray<readonly [before: object, after: object, text: string]> = [
  [resources(of('50m', '0'), of('100m', '0')), resources(of('50m', '0'), of('200m', '0')), ''], [resources(of('50m'), of('100m', '100Mi')), resources(of('50m'), of('100m', '200Mi')), ''],
  [resources(of('50m', '1Mi'), of('100m', '200Mi')), resources(of('50m', '1Mi'), of('100m', '100Mi')), ''], [resources(of('1m'), of('100m', '100Mi', '2Gi')), resources(of('1m'), of('100m', '100Mi', '1Gi')), onlyText],
  [resources(of('200m', '0')), resources(of('100m', '0')), ''], [resources(of('0', '100Mi')), resources(of('0', '200Mi')), ''], [resources(of('100m', '0', '1Gi')), resources(of('100m', '0', '2Gi')), onlyText],
  [resources(of('100m', '100Mi', '1Gi'), of('100m', '100Mi', '1Gi')), resources(of('200m', '400Mi', '1Gi'), of('200m', '400Mi', '1Gi')), ''],
  [resources(of('200m', '100Mi', '1Gi'), of('400m', '200Mi', '2Gi')), resources(of('100m', '200Mi', '1Gi'), of('200m', '400Mi', '2Gi')), ''],
  [resources(of('100m', '100Mi')), resources(of('100m', '100Mi'), of('200m')), ''],
  [resources(of('100m', '100Mi'), of('100m', '100Mi')), resources(of('100m', '100Mi'), of('200m', '200Mi')), classText], [resources(of('100m', '100Mi')), resources(of('100m', '100Mi'), of('100m', '100Mi')), classText],
  [{}, resources(of('100m', '100Mi'), of('200m', '200Mi')), classText], [resources(of('100m', '100Mi'), of('200m', '200Mi')), {}, classText],
  [resources(of('50m', '50Mi'), of('100m', '100Mi')), resources(of('50m', '50Mi'), of('', '100Mi')), limitsGone], [resources(of('50m', '50Mi'), of('100m', '100Mi')), resources(of('50m', '50Mi'), of('100m')), limitsGone],
  [resources(of('100m', '100Mi')), resources(of('', '100Mi')), requestsGone], [resources(of('100m', '100Mi')), resources(of('100m')), requestsGone],
  [resources(of('100m'), of('100m', '100Mi')), resources(of('100m')), limitsGone],
  [{}, resources({ 'ephemeral-storage': '10Gi' }), onlyText],
]

function check(base: Changes, changes: Changes, text: string): void {
  const causes = updateCauses(pod, base, changes, 'resize')
  if (text === '') assert.deepEqual(causes, [])
  else assert.ok(causes.some((cause) => cause.includes(text)), `${text} is not among ${JSON.stringify(causes)}`)
}

for (const [before, after, text] of rows) {
  test(`${JSON.stringify(before)} to ${JSON.stringify(after)}`, () => check({ 'spec.containers[0].resources': before }, { 'spec.containers[0].resources': after }, text))
}

const sidecar = { name: 'init', image: 'image', restartPolicy: 'Always' }
const init = { name: 'init', image: 'image' }
const storageText = 'spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable'
const policy = (resourceName: string, restartPolicy: string): object => ({ resizePolicy: [{ resourceName, restartPolicy }] })

const initRows: ReadonlyArray<readonly [container: object, before: object, after: object, text: string, more?: object]> = [
  [sidecar, resources(of('50m', '0'), of('100m', '0')), resources(of('50m', '0'), of('200m', '0')), ''], [sidecar, resources(of('50m'), of('100m', '200Mi')), resources(of('50m'), of('100m', '100Mi')), ''],
  [sidecar, resources(of('200m', '0')), resources(of('100m', '0')), ''], [sidecar, resources(of('100m', '0', '1Gi')), resources(of('100m', '0', '2Gi')), storageText], [sidecar, resources({}, of('100m', '100Mi', '2Gi')), resources({}, of('100m', '100Mi', '1Gi')), storageText],
  [sidecar, resources(of('100m', '100Mi')), resources(of('100m')), `spec.initContainers[0].${requestsGone}`], [sidecar, resources(of('50m'), of('100m', '100Mi')), resources(of('50m'), of('100m')), `spec.initContainers[0].${limitsGone}`],
  [init, resources(of('100m', '100Mi'), of('100m')), resources({}, of('100m')), `spec.initContainers[0].${requestsGone}`],
  [init, resources(of('100m', '100Mi'), of('100m')), resources(of('200m', '200Mi'), of('200m')), ''], [{ ...init, ...policy('cpu', 'NotRequired') }, resources(of('100m', '100Mi'), of('100m')), resources(of('200m', '200Mi'), of('200m')), ''],
  [{ ...init, ...policy('cpu', 'RestartContainer') }, resources(of('100m', '100Mi'), of('100m')), resources(of('200m', '200Mi'), of('200m')), 'spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized'],
  [{ ...sidecar, ...policy('memory', 'RestartContainer') }, resources(of('100m', '0', '1Gi')), resources(of('100m', '0', '2Gi')), storageText, policy('memory', 'NotRequired')],
]

for (const [container, before, after, text, more = {}] of initRows) {
  test(`${JSON.stringify(container)}: ${JSON.stringify(before)} to ${JSON.stringify(after)}`, () => check({ 'spec.initContainers': [{ ...container, resources: before }] }, { 'spec.initContainers': [{ ...container, ...more, resources: after }] }, text))
}

const status = (state: object, more: object = {}): Changes => ({ 'status.containerStatuses': [{ name: 'main', image: 'i', imageID: '', ready: true, restartCount: 0, state, ...more }] })
const running = { running: { startedAt: '2026-01-01T00:00:00Z' } }
const small = { 'spec.containers[0].resources': resources(of('50m'), of('100m')) }
const large = { 'spec.containers[0].resources': resources(of('50m'), of('200m')) }
const main = { name: 'main', image: 'image' }
const another = { name: 'c2', image: 'image' }
const reordered = 'Forbidden: containers may not be renamed or reordered on resize'

const others: ReadonlyArray<readonly [name: string, before: Changes, changes: Changes, text: string]> = [
  ['windows', { ...small, 'spec.os': { name: 'windows' } }, large, 'Forbidden: windows pods cannot be resized'], ['windows, nothing changed', { ...small, 'spec.os': { name: 'windows' } }, {}, 'Forbidden: windows pods cannot be resized'],
  ['a node that does not tell', { ...small, ...status(running) }, large, 'Forbidden: Pod running on node without support for resize'], ['a node that tells', { ...small, ...status(running, { resources: {} }) }, large, ''],
  ['nothing running', { ...small, 'status.containerStatuses': [] }, large, ''], ['a container that waits', { ...small, ...status({ waiting: { reason: 'PodInitializing' } }, { resources: {} }) }, large, ''],
  ['a container more', {}, { 'spec.containers': [main, another] }, 'spec.containers: Forbidden: containers may not be added or removed on resize'],
  ['a container less', { 'spec.containers': [main, another] }, { 'spec.containers': [main] }, 'spec.containers: Forbidden: containers may not be added or removed on resize'],
  ['containers the other way round', { 'spec.containers': [main, another] }, { 'spec.containers': [another, main] }, `spec.containers[1].name: ${reordered}`], ['another name', {}, { 'spec.containers': [another] }, `spec.containers[0].name: ${reordered}`],
  ['another policy', { 'spec.containers[0]': { ...main, ...policy('cpu', 'NotRequired'), resources: resources(of('100m', '0', '1Gi')) } }, { 'spec.containers[0]': { ...main, ...policy('cpu', 'RestartContainer'), resources: resources(of('100m', '0', '2Gi')) } }, onlyText],
  ...([['requests', '100Mi', '200Mi'], ['limits', '200Mi', '300Mi']] as const).map(([kind, from, to]): [string, Changes, Changes, string] => [
    `${kind} of the whole pod`, { 'spec.containers[0].resources.requests': of('100m', '100Mi'), 'spec.resources': { requests: of('200m', '100Mi'), [kind]: of('200m', from) } }, { [`spec.resources.${kind}`]: of('200m', to) }, '',
  ]),
]

for (const [name, before, changes, text] of others) test(`${name}: ${text}`, () => check(before, changes, text))
