import type { Service } from '../../api/types/core_v1.ts'
import type { AdmissionPlugin } from '../context.ts'
import { isCore, refusal } from './refusal.ts'

/** No Service claims addresses outside the cluster that it doesn't have yet (CVE-2020-8554). Off by default. */
export const denyServiceExternalIPs: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
  resources: ['services'],
  validate(attributes) {
    if (!isCore(attributes, 'services')) return
    const wanted = (attributes.object as Service).spec?.externalIPs ?? []
    const standing = (attributes.oldObject as Readonly<Service> | undefined)?.spec?.externalIPs ?? []
    if (wanted.some((ip) => !standing.includes(ip))) throw refusal(attributes, 'Use of external IPs is denied by admission control')
  },
}
