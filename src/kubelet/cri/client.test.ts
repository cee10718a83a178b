import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { inOwnNetwork, runInOwnNetwork, startTestContainerd, whyNoContainers } from '../../../test/support/containerd.ts'
import { jsonLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { containerRuntimeContract } from '../container-runtime.contract.ts'
import { connectContainerRuntime } from './client.ts'

const runtime = systemRuntime(jsonLogger('silent'))

if (inOwnNetwork) {
  containerRuntimeContract('containerd', async () => {
    const containerd = await startTestContainerd(runtime)
    const containers = connectContainerRuntime(containerd.socketPath, runtime.clock)
    return {
      runtime: containers, image: 'docker.io/library/busybox:test', cgroupParent: `${containerd.cgroupRoot}/pod`,
      waitFor: async (what) => {
        while (!(await what())) await runtime.clock.sleep(20)
      },
      [Symbol.asyncDispose]: async () => {
        await containers[Symbol.asyncDispose]()
        await containerd[Symbol.asyncDispose]()
      },
    }
  })
  it('a containerd that is ended while a pod runs leaves no network namespace and no mount behind', async () => {
    const mountsBelow = async (path: string): Promise<string[]> => (await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((line) => line.includes(path))
    await using containerd = await startTestContainerd(runtime)
    const { directory } = containerd
    await using containers = connectContainerRuntime(containerd.socketPath, runtime.clock)
    await containers.runPodSandbox({
      metadata: { name: 'left', uid: 'uid-left', namespace: 'default', attempt: 0 }, hostname: 'left', logDirectory: directory, labels: {}, annotations: {},
      linux: { cgroupParent: `${containerd.cgroupRoot}/pod`, securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } } },
    })
    // Its network namespace is a file in containerd's folder, held by a mount.
    assert.ok((await mountsBelow(directory)).some((line) => line.startsWith('nsfs ')))
    await containerd[Symbol.asyncDispose]()
    assert.deepEqual(await mountsBelow(directory), [])
  })
} else {
  it('containerd passes the container runtime contract', { skip: whyNoContainers() ?? false, timeout: 300_000 }, () => runInOwnNetwork(runtime, import.meta.filename))
}
