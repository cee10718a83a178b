import { connect } from 'node:net'
import type { LifecycleHandler } from '../api/types/core_v1.ts'
import type { Clock } from '../runtime/clock.ts'
import type { ContainerRuntime } from './container-runtime.ts'
import { httpGet } from './probes/http.ts'
import { httpTarget, portNumber, type ProbeTarget } from './probes/handlers.ts'

const hookTimeoutMs = 30 * 60_000

/** Runs a postStart or preStop handler to its end. Rejects when it fails. */
export async function runHook(handler: LifecycleHandler, target: ProbeTarget, containers: ContainerRuntime, clock: Clock, signal?: AbortSignal): Promise<void> {
  if (handler.exec !== undefined) {
    const command = handler.exec.command ?? []
    const { stdout, stderr, exitCode } = await containers.execSync(target.containerId, command, 0)
    if (exitCode !== 0) throw new Error(`Exec lifecycle hook (${JSON.stringify(command)}) for Container "${target.container.name}" failed - error: command '${command.join(' ')}' exited with ${exitCode}: ${Buffer.concat([stderr, stdout]).subarray(0, 4096).toString('utf8')}`)
  } else if (handler.httpGet !== undefined) {
    const { url, headers } = httpTarget(handler.httpGet, target)
    const answer = await httpGet(url, { ...headers, 'user-agent': 'kube-lifecycle/1.36' }, hookTimeoutMs, clock)
    if (answer.status < 200 || answer.status >= 400) throw new Error(`HTTP lifecycle hook (${handler.httpGet.path ?? '/'}) for Container "${target.container.name}" failed - error: answered with status ${answer.status}`)
  } else if (handler.tcpSocket !== undefined) {
    const { host, port } = handler.tcpSocket
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ host: host ?? target.podIP, port: portNumber(port, target.container) }, () => {
        socket.destroy()
        resolve()
      })
      socket.once('error', reject)
    })
  } else if (handler.sleep !== undefined) {
    await clock.sleep(handler.sleep.seconds * 1000, signal)
  } else {
    throw new Error(`invalid handler: ${JSON.stringify(handler)}`)
  }
}
