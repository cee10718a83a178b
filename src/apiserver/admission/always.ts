import type { AdmissionPlugin } from '../context.ts'
import { refusal } from './refusal.ts'

/** Has nothing against anything; named in old command lines. */
export const alwaysAdmit: AdmissionPlugin = { name: 'AlwaysAdmit', handles: () => true }

/** Refuses every change; for testing. */
export const alwaysDeny: AdmissionPlugin = {
  name: 'AlwaysDeny',
  handles: () => true,
  mutate(attributes) {
    throw refusal(attributes, 'admission control is denying all modifications')
  },
  validate(attributes) {
    throw refusal(attributes, 'admission control is denying all modifications')
  },
}
