import type { Pod } from '../../api/types/core_v1.ts'
import { podContainers } from '../../api/pod-references.ts'
import { errors } from '../../machinery/status.ts'

/** The container that a request means: the one it names, or the only one. Throws 400 with upstream's texts. */
export function containerOf(pod: Pod, asked: string): string {
  const name = pod.metadata.name!
  if (asked !== '') {
    for (const container of podContainers(pod.spec)) if (container.name === asked) return asked
    throw errors.badRequest(`container ${asked} is not valid for pod ${name}`)
  }
  const { containers } = pod.spec
  if (containers.length === 1) return containers[0]!.name
  if (containers.length === 0) throw errors.badRequest(`a container name must be specified for pod ${name}`)
  const list = (all: readonly { name: string }[]): string => `[${all.map((each) => each.name).join(' ')}]`
  const init = pod.spec.initContainers ?? []
  throw errors.badRequest(`a container name must be specified for pod ${name}, choose one of: ${list(containers)}${init.length === 0 ? '' : ` or one of the init containers: ${list(init)}`}`)
}
