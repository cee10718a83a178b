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
} else {
  it('containerd passes the container runtime contract', { skip: whyNoContainers() ?? false, timeout: 300_000 }, () => runInOwnNetwork(runtime, import.meta.filename))
}
