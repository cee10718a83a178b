import { fakeClock } from '../../runtime/clock.ts'
import { containerRuntimeContract } from '../container-runtime.contract.ts'
import { createFakeContainerRuntime } from './fake-container-runtime.ts'

containerRuntimeContract('fake', async () => {
  const clock = fakeClock()
  const runtime = createFakeContainerRuntime(clock)
  return {
    runtime, image: 'docker.io/library/busybox:test', cgroupParent: '/fake',
    waitFor: async (what) => {
      for (let turn = 0; !(await what()); turn++) {
        if (turn === 1000) throw new Error('what was waited for did not happen')
        await clock.advance(100)
      }
    },
    [Symbol.asyncDispose]: () => runtime[Symbol.asyncDispose](),
  }
})
