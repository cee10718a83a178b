import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, PodSpec } from '../api/types/core_v1.ts'
import { boundPod, type BoundPod } from './pods.ts'
import { containerSecurity, nonRootViolation, podNamespaces, sandboxSecurity } from './security.ts'

const pod = (spec: Partial<PodSpec>): BoundPod => boundPod({ metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [], ...spec } })
const container = (securityContext: Container['securityContext']): Container => ({ name: 'c', securityContext })
const root = { username: '', uid: { value: 0 } }

test('a container that must not be root is refused with the reason', () => {
  const where = '(pod: "p_n(u)", container: c)'
  const violation = (own: Container['securityContext'], image: { username: string; uid?: { value: number } }): string | undefined => nonRootViolation(pod({ securityContext: { runAsNonRoot: true } }), container(own), image)
  assert.equal(violation({}, root), `container has runAsNonRoot and image will run as root ${where}`)
  assert.equal(violation({}, { username: '' }), `container has runAsNonRoot and image will run as root ${where}`)
  assert.equal(violation({}, { username: 'web' }), `container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root ${where}`)
  assert.equal(violation({ runAsUser: 0 }, root), `container's runAsUser breaks non-root policy ${where}`)
  assert.equal(violation({ runAsUser: 7 }, root), undefined)
  assert.equal(violation({}, { username: '', uid: { value: 5 } }), undefined)
  assert.equal(violation({ runAsNonRoot: false }, root), undefined)
})

test('namespaces are shared as the pod says', () => {
  assert.deepEqual(podNamespaces(pod({})), { network: 'POD', ipc: 'POD', pid: 'CONTAINER' })
  assert.deepEqual(podNamespaces(pod({ hostNetwork: true, hostIPC: true, shareProcessNamespace: true })), { network: 'NODE', ipc: 'NODE', pid: 'POD' })
  assert.equal(podNamespaces(pod({ hostPID: true })).pid, 'NODE')
})

test('container settings go before the pod\'s', () => {
  const security = containerSecurity(pod({ securityContext: { runAsUser: 1, runAsGroup: 2, fsGroup: 3, supplementalGroups: [4], seccompProfile: { type: 'RuntimeDefault' } } }), container({
    runAsUser: 9, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] }, seccompProfile: { type: 'Localhost', localhostProfile: 'p.json' },
  }), '/seccomp')
  assert.deepEqual([security.runAsUser, security.runAsGroup, security.supplementalGroups], [{ value: 9 }, { value: 2 }, [4, 3]])
  assert.deepEqual([security.noNewPrivs, security.readonlyRootfs], [true, true])
  assert.deepEqual(security.capabilities, { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] })
  assert.deepEqual(security.seccomp, { profileType: 'Localhost', localhostRef: '/seccomp/p.json' })
  assert.ok(security.maskedPaths!.includes('/proc/kcore'))
})

test('privileged containers see everything, and their sandbox knows', () => {
  const spec: Partial<PodSpec> = { containers: [container({ privileged: true })] }
  const security = containerSecurity(pod(spec), spec.containers![0]!, '/seccomp')
  assert.deepEqual([security.privileged, security.maskedPaths, security.readonlyPaths, security.seccomp], [true, [], [], { profileType: 'Unconfined' }])
  assert.equal(sandboxSecurity(pod(spec)).privileged, true)
  assert.deepEqual(containerSecurity(pod({}), container({ procMount: 'Unmasked' }), '/seccomp').maskedPaths, [])
  assert.deepEqual(containerSecurity(pod({}), container({}), '/seccomp', 'id').namespaceOptions, { network: 'POD', ipc: 'POD', pid: 'TARGET', targetId: 'id' })
})
