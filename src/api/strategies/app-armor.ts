import { semanticEqual } from '../../machinery/equality.ts'
import type { AppArmorProfile, Pod } from '../types/core_v1.ts'
import { appArmorPrefix } from '../validation/profile-annotations.ts'

const containerFields = ['initContainers', 'containers', 'ephemeralContainers'] as const

function profileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' }
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' }
  const localhostProfile = annotation.startsWith('localhost/') ? annotation.slice('localhost/'.length) : ''
  return localhostProfile === '' || localhostProfile.trim() !== localhostProfile || localhostProfile.length > 4095 ? undefined : { type: 'Localhost', localhostProfile }
}

/** A new pod's AppArmor profiles that stand in annotations only are put into fields (KEP-24). `warn` hears of those annotations. */
export function syncAppArmor(pod: Pod, warn: (message: string) => void): void {
  const { metadata, spec } = pod
  if (spec.os?.name === 'windows') return
  const ofPod = spec.securityContext?.appArmorProfile
  for (const field of containerFields) {
    for (const container of spec[field] ?? []) {
      const key = `${appArmorPrefix}${container.name}`
      const annotation = metadata.annotations?.[key]
      const own = container.securityContext?.appArmorProfile
      if (annotation !== undefined && own === undefined) {
        const wanted = profileOf(annotation)
        const isNew = wanted !== undefined && !semanticEqual(wanted, ofPod)
        if (isNew) (container.securityContext ??= {}).appArmorProfile = wanted
        if (wanted === undefined || isNew) warn(`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`)
      }
    }
  }
}
