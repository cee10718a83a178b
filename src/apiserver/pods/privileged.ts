import { podContainers } from '../../api/pod-references.ts'
import type { PodSpec } from '../../api/types/core_v1.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { errors } from '../../machinery/status.ts'
import type { AdmissionPlugin } from '../context.ts'

/** Where each kind has its pod. */
const podPaths: Readonly<Record<string, string>> = {
  pods: 'spec', podtemplates: 'template.spec', replicationcontrollers: 'spec.template.spec', 'deployments.apps': 'spec.template.spec', 'replicasets.apps': 'spec.template.spec',
  'daemonsets.apps': 'spec.template.spec', 'statefulsets.apps': 'spec.template.spec', 'jobs.batch': 'spec.template.spec', 'cronjobs.batch': 'spec.jobTemplate.spec.template.spec',
}

/** What a cluster has where `--allow-privileged` is not given: part of validation upstream, which knows it from a global. */
export const privilegedContainersCheck: AdmissionPlugin = {
  name: 'PrivilegedContainers',
  handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
  resources: Object.keys(podPaths),
  validate({ resource, object, name }) {
    if (object === undefined || object.kind !== resource.kind) return
    const path = podPaths[resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`]!
    const spec = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], object) as PodSpec | undefined
    if (spec === undefined || ![...podContainers(spec)].some((container) => container.securityContext?.privileged === true)) return
    const problems = (['containers', 'initContainers', 'ephemeralContainers'] as const).flatMap((list) => (spec[list] ?? []).flatMap((container, index): FieldError[] => (
      container.securityContext?.privileged === true ? [fieldErrors.forbidden(`${path}.${list}[${index}].securityContext.privileged`, 'disallowed by cluster policy')] : []
    )))
    throw errors.invalid({ group: resource.group, kind: resource.kind }, name, problems.map(fieldErrorCause))
  },
}
