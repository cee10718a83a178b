/** Where a group version stands among others: higher comes first (APIServiceSpec.groupPriorityMinimum and versionPriority). */
export interface Priority { group: number; version: number }

/** Group, its priority, its versions with theirs; as kube-apiserver registers its own APIs (`apiVersionPriorities`). */
const builtin: ReadonlyArray<readonly [group: string, priority: number, versions: Readonly<Record<string, number>>]> = [
  ['', 18000, { v1: 1 }],
  ['apps', 17800, { v1: 15 }],
  ['events.k8s.io', 17750, { v1: 15, v1beta1: 5 }],
  ['authentication.k8s.io', 17700, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ['authorization.k8s.io', 17600, { v1: 15 }],
  ['autoscaling', 17500, { v2: 30, v1: 15 }],
  ['batch', 17400, { v1: 15, v1beta1: 9 }],
  ['certificates.k8s.io', 17300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ['networking.k8s.io', 17200, { v1: 15, v1beta1: 9 }],
  ['policy', 17100, { v1: 15, v1beta1: 9 }],
  ['rbac.authorization.k8s.io', 17000, { v1: 15 }],
  ['storage.k8s.io', 16800, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ['apiextensions.k8s.io', 16700, { v1: 15 }],
  ['admissionregistration.k8s.io', 16700, { v1: 15, v1beta1: 12, v1alpha1: 9 }],
  ['scheduling.k8s.io', 16600, { v1: 15, v1alpha2: 9, v1alpha1: 9 }],
  ['coordination.k8s.io', 16500, { v1: 15, v1beta1: 13, v1alpha2: 12 }],
  ['node.k8s.io', 16300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  ['discovery.k8s.io', 16200, { v1: 15, v1beta1: 12 }],
  ['resource.k8s.io', 16200, { v1: 21, v1beta2: 15, v1beta1: 9, v1alpha3: 1 }],
  ['flowcontrol.apiserver.k8s.io', 16100, { v1: 21, v1beta3: 18 }],
  ['internal.apiserver.k8s.io', 16000, { v1alpha1: 9 }],
  ['storagemigration.k8s.io', 15800, { v1beta1: 9, v1alpha1: 1 }],
]

const byGroup = new Map(builtin.map(([group, priority, versions]) => [group, { priority, versions }]))

/** What custom resources are registered with. */
export const customPriority: Priority = { group: 1000, version: 100 }

/** Undefined for what is not built in. */
export function builtinPriority(group: string, version: string): Priority | undefined {
  const known = byGroup.get(group)
  return known !== undefined && Object.hasOwn(known.versions, version) ? { group: known.priority, version: known.versions[version]! } : undefined
}
