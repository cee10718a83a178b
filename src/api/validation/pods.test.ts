import { testRules } from './testing/causes.ts'

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } }
const c = 'spec.containers[0]'

testRules('a Pod', pod, [
  // Operating systems.
  [{ 'spec.os': { name: 'plan9' } }, ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']],
  [{ 'spec.os': { name: 'linux' }, 'spec.securityContext.windowsOptions': { hostProcess: false } }, ['spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod']],
  [{ 'spec.os': { name: 'windows' }, 'spec.hostPID': true, 'spec.securityContext': { runAsUser: 1, seLinuxOptions: {} }, [`${c}.securityContext`]: { privileged: false } }, [
    'spec.securityContext.seLinuxOptions: Forbidden: cannot be set for a windows pod', 'spec.hostPID: Forbidden: cannot be set for a windows pod', 'spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod',
    `${c}.securityContext.privileged: Forbidden: cannot be set for a windows pod`,
  ]],
  [{ [`${c}.securityContext.windowsOptions`]: { hostProcess: true } }, ['spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers']],
  [{ 'spec.securityContext.windowsOptions': { hostProcess: false }, 'spec.hostNetwork': true, [`${c}.securityContext.windowsOptions`]: { hostProcess: true } }, [
    `${c}.securityContext.windowsOptions.hostProcess: Invalid value: true: pod hostProcess value must be identical if both are specified, was false`,
  ]],
  [{ 'spec.securityContext.windowsOptions': { runAsUserName: 'a\\b\\c', gmsaCredentialSpec: '' } }, [
    'spec.securityContext.windowsOptions.gmsaCredentialSpec: Invalid value: "": gmsaCredentialSpec cannot be an empty string',
    'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot contain more than one backslash',
  ]],
  // Security profiles said twice.
  [{ 'metadata.annotations': { 'seccomp.security.alpha.kubernetes.io/pod': 'x' } }, ['metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "x": must be a valid seccomp profile']],
  [{ 'metadata.annotations': { 'container.apparmor.security.beta.kubernetes.io/other': 'runtime/default' } }, [
    'metadata.annotations[container.apparmor.security.beta.kubernetes.io/other]: Invalid value: "other": container not found',
  ]],
  [{ 'metadata.annotations': { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }, [`${c}.securityContext.appArmorProfile`]: { type: 'RuntimeDefault' } }, [
    `${c}.securityContext.appArmorProfile.type: Forbidden: apparmor type in annotation and field must match`,
  ]],
  // Resources of the pod as a whole.
  [{ 'spec.resources': { requests: { cpu: '100m' } }, [`${c}.resources`]: { requests: { cpu: '200m' } } }, ['spec.resources.requests[cpu]: Invalid value: "100m": must be greater than or equal to aggregate container requests of 200m']],
  [{ 'spec.resources': { limits: { memory: '1Gi' } }, [`${c}.resources`]: { limits: { memory: '2Gi' }, requests: { memory: '1Mi' } } }, ['spec.resources.containers[0][memory].limits: Invalid value: "2Gi": must be less than or equal to pod limits of 1Gi']],
  // Restarts.
  [{ [`${c}.restartPolicyRules`]: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }] }, [`${c}.restartPolicy: Required value: must specify restartPolicy when restart rules are used`]],
  [{ [`${c}.restartPolicy`]: 'Never', [`${c}.restartPolicyRules`]: [{ action: 'Jump' }] }, [
    `${c}.restartPolicyRules[0].action: Unsupported value: "Jump": supported values: "Restart", "RestartAllContainers"`, `${c}.restartPolicyRules[0].exitCodes: Required value: must be specified`,
  ]],
  // Signals.
  [{ [`${c}.lifecycle`]: { stopSignal: 'SIGTERM' } }, [`${c}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty \`spec.os.name\``]],
  [{ 'spec.os': { name: 'windows' }, [`${c}.lifecycle`]: { stopSignal: 'SIGHUP' } }, [`${c}.lifecycle.stopSignal: Unsupported value: "SIGHUP": supported values: "SIGKILL", "SIGTERM"`]],
  // Names.
  [{ 'spec.hostnameOverride': 'a.b', 'spec.setHostnameAsFQDN': true }, ['spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true']],
  [{ [`${c}.livenessProbe`]: { grpc: { port: 0 } } }, [`${c}.livenessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive`]],
  [{ [`${c}.readinessProbe`]: { exec: { command: ['x'] }, terminationGracePeriodSeconds: 1 } }, [`${c}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes`]],
  [{ [`${c}.env`]: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.foo' } } }] }, [`${c}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting fieldPath: field label not supported: spec.foo`]],
], [
  [{}, { 'metadata.annotations': { 'kubernetes.io/config.mirror': 'x' }, 'spec.nodeName': 'n' }, [
    'metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation',
[
      'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
      '@@ -42,7 +42,7 @@', '  "NodeSelector": null,', '  "ServiceAccountName": "",', '  "AutomountServiceAccountToken": null,', '- "NodeName": "",', '+ "NodeName": "n",', '  "SecurityContext": {',
      '   "HostNetwork": false,', '   "HostPID": false,', '',
    ].join('\n'),
  ]],
  [{ 'spec.schedulingGates': [{ name: 'g' }] }, { 'spec.schedulingGates': [{ name: 'h' }] }, ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"]],
  [{ 'spec.os': { name: 'windows' } }, { [`${c}.resources`]: { requests: { cpu: '1' } } }, ['[]: Forbidden: windows pods cannot be resized'], 'resize'],
  [{}, { 'status.resourceClaimStatuses': [{ name: 'x' }] }, ['status.resourceClaimStatuses[0].name: Invalid value: "x": must match the name of an entry in `spec.resourceClaims`'], 'status'],
  [{}, { 'status.phase': 'Running', 'status.qosClass': 'Guaranteed' }, ['status.qosClass: Invalid value: "Guaranteed": field is immutable'], 'status'],
])
