import { apiServerId } from '../bootstrap/identity-lease.ts'
import type { ReloadNote } from '../configuration/reload.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { labelHash, type MetricSet } from './metric-set.ts'

/** Counts how often a configuration file was read again, and shows by a hash which one is in force; `text` is the one at the start. */
export function configurationReloads(set: MetricSet, kind: 'authentication' | 'authorization' | 'encryption', runtime: Runtime, text: string): ReloadNote {
  const series = `apiserver_${kind}_config_controller` as const
  const server = labelHash(apiServerId())
  const inForce = (current: string): void => {
    set.clear(`${series}_last_config_info`)
    set.set(`${series}_last_config_info`, 1, server, labelHash(current))
  }
  inForce(text)
  return (changed) => {
    const status = changed === undefined ? 'failure' : 'success'
    set.count(`${series}_automatic_reloads_total`, status, server)
    set.set(`${series}_automatic_reload_last_timestamp_seconds`, runtime.clock.now() / 1000, status, server)
    if (changed !== undefined) inForce(changed)
  }
}
