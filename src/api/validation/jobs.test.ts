import { testRules } from './testing/causes.ts'

const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'busybox' }] } }
const exitCodes = (requirement: object): object => ({ rules: [{ action: 'Count', onExitCodes: { operator: 'In', values: [1], ...requirement } }] })
const failure = 'spec.podFailurePolicy.rules[0]'
const success = 'spec.successPolicy.rules[0]'
const when = (status: object): Record<string, unknown> => ({ status })
const started = { startTime: '2026-01-01T00:00:00Z' }
const condition = (...types: string[]): object => ({ conditions: types.map((type) => ({ type, status: 'True' })) })

testRules('a Job', { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'j' }, spec: { template } }, [
  [{ 'spec.completions': -1, 'spec.backoffLimit': -2 }, [
    'spec.completions: Invalid value: -1: must be greater than or equal to 0', 'spec.backoffLimit: Invalid value: -2: must be greater than or equal to 0',
  ]],
  [{ 'spec.template.spec.restartPolicy': 'Always' }, ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"']],
  [{ 'spec.template.spec.restartPolicy': 'OnFailure', 'spec.podFailurePolicy': exitCodes({}) }, ['spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified']],
  [{ 'spec.maxFailedIndexes': 1 }, ['spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified', 'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode']],
  [{ 'spec.completionMode': 'Indexed', 'spec.parallelism': 1 }, ['spec.completions: Required value: when completion mode is Indexed']],
  [{ 'spec.completionMode': 'Indexed', 'spec.completions': 10, 'metadata.name': 'a'.repeat(62) }, [
    `metadata.name: Invalid value: "${'a'.repeat(62)}": will not able to create pod with invalid DNS label: ${'a'.repeat(62)}-9`,
  ]],
  [{ 'spec.managedBy': 'mine' }, ['spec.managedBy: Invalid value: "mine": must be a domain-prefixed path (such as "acme.io/foo")']],
  [{ 'spec.managedBy': 'example.com/controller' }, []],
  [{ 'spec.podFailurePolicy': exitCodes({ values: [0, 0] }) }, [
    `${failure}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`, `${failure}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator`,
    `${failure}.onExitCodes.values[1]: Duplicate value: 0`,
  ]],
  [{ 'spec.podFailurePolicy': exitCodes({ values: [2, 1], containerName: 'other' }) }, [
    `${failure}.onExitCodes.containerName: Invalid value: "other": must be one of the container or initContainer names in the pod template`,
    `${failure}.onExitCodes.values: Invalid value: [2,1]: must be ordered`,
  ]],
  [{ 'spec.podFailurePolicy': { rules: [{ action: 'FailIndex', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] } }, [
    `${failure}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
  ]],
  [{ 'spec.podFailurePolicy': { rules: [{ action: 'Ignore' }] }, 'spec.podReplacementPolicy': 'TerminatingOrFailed' }, [
    `${failure}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`, 'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
  ]],
  [{ 'spec.successPolicy': { rules: [{ succeededCount: 1 }] } }, ['spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: requires indexed completion mode']],
  [{ 'spec.completionMode': 'Indexed', 'spec.completions': 3, 'spec.successPolicy': { rules: [{ succeededIndexes: '0,2', succeededCount: 3 }, {}] } }, [
    `${success}.succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)`,
    'spec.successPolicy.rules[1]: Required value: at least one of succeededCount or succeededIndexes must be specified',
  ]],
  [{ 'spec.completionMode': 'Indexed', 'spec.completions': 3, 'spec.successPolicy': { rules: [{ succeededIndexes: '2-1' }] } }, [
    `${success}.succeededIndexes: Invalid value: "2-1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1`,
  ]],
], [
  [{}, { 'spec.parallelism': 5, 'spec.suspend': true, 'spec.activeDeadlineSeconds': 9 }, []],
  [{}, { 'spec.completions': 3 }, ['spec.completions: Invalid value: 3: field is immutable']],
  [{ 'spec.completionMode': 'Indexed', 'spec.completions': 2, 'spec.parallelism': 2 }, { 'spec.completions': 3, 'spec.parallelism': 3 }, []],
  [{ 'spec.completionMode': 'Indexed', 'spec.completions': 2, 'spec.parallelism': 2 }, { 'spec.completions': 3 }, ['spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism']],
  [{ 'spec.suspend': true }, { 'spec.template.spec.nodeSelector': { zone: 'a' }, 'spec.template.spec.schedulingGates': [{ name: 'g' }] }, []],
  [{ 'spec.suspend': true, status: { ...started, conditions: [{ type: 'Suspended', status: 'True' }] } }, {
    'spec.template.spec.containers': [{ name: 'main', image: 'busybox', resources: { requests: { cpu: '2' } } }],
  }, []],
  // Refused as on creation, and as on an update.
  [{}, { 'spec.parallelism': -1 }, ['spec.parallelism: Invalid value: -1: must be greater than or equal to 0', 'spec.parallelism: Invalid value: -1: must be greater than or equal to 0']],
  [{ 'spec.completionMode': 'Indexed', 'spec.completions': 2, 'spec.successPolicy': { rules: [{ succeededCount: 1 }] } }, { 'spec.successPolicy': undefined }, ['spec.successPolicy: Invalid value: null: field is immutable']],
  [{ 'spec.suspend': true, status: started }, { 'spec.template.spec.nodeSelector': { zone: 'a' } }, [/^spec\.template: Invalid value: \{"labels":.*"NodeSelector":\{"zone":"a"\}.*: field is immutable$/]],
  [{ 'spec.suspend': true }, { 'spec.template.spec.containers[0].image': 'other' }, [/^spec\.template\.spec: Invalid value: \{"Volumes":null,.*"Image":"other".*: field is immutable$/]],
  [{ 'spec.managedBy': 'example.com/a' }, { 'spec.managedBy': 'example.com/b' }, ['spec.managedBy: Invalid value: "example.com/b": field is immutable']],
  [when(started), when({ startTime: '2026-01-02T00:00:00Z' }), ['status.startTime: Invalid value: "2026-01-02T00:00:00Z": field is immutable for unsuspended job once set'], 'status'],
  [when({ ...started, ...condition('FailureTarget', 'Failed') }), when({ ...started, ...condition('FailureTarget', 'Failed'), uncountedTerminatedPods: { failed: ['a'] } }), [
    'status.uncountedTerminatedPods: Invalid value: {"Succeeded":null,"Failed":["a"]}: must be empty for finished job',
  ], 'status'],
  [{}, { status: { ...started, active: -1 } }, ['status.active: Invalid value: -1: must be greater than or equal to 0'], 'status'],
  [{}, { status: { ...started, ready: 2, active: 1 } }, ['status.ready: Invalid value: 2: cannot set more ready pods than active'], 'status'],
  [{}, when({ ...started, ...condition('Complete') }), [
    'status.completionTime: Required value: completionTime is required for Complete jobs', 'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
  ], 'status'],
  [{}, when({ ...started, ...condition('SuccessCriteriaMet', 'Complete'), completionTime: '2025-01-01T00:00:00Z' }), [
    'status.completionTime: Invalid value: "2025-01-01T00:00:00Z": must be equal to or after `startTime`',
  ], 'status'],
  [when({ ...started, ...condition('FailureTarget', 'Failed') }), when({ ...started, ...condition('FailureTarget') }), ['status.conditions: Invalid value: cannot disable the terminal Failed=True condition'], 'status'],
  [{}, when({ ...started, completedIndexes: '0' }), ['status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode'], 'status'],
  [when({ ...started, failed: 2 }), when({ ...started, failed: 1 }), ['status.failed: Invalid value: 1: cannot decrease the failed counter'], 'status'],
])

testRules('a CronJob', { apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'c' }, spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template } } } }, [
  [{ 'metadata.name': 'a'.repeat(53) }, [`metadata.name: Invalid value: "${'a'.repeat(53)}": must be no more than 52 characters`]],
  [{ 'spec.schedule': undefined }, ['spec.schedule: Required value']],
  [{ 'spec.schedule': 'TZ=UTC 0 * * * *' }, ['spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead']],
  [{ 'spec.timeZone': '' }, ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string']],
  [{ 'spec.timeZone': 'Local' }, ['spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones']],
  [{ 'spec.timeZone': 'Mars/Base' }, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']],
  [{ 'spec.concurrencyPolicy': 'Sometimes' }, ['spec.concurrencyPolicy: Unsupported value: "Sometimes": supported values: "Allow", "Forbid", "Replace"']],
  [{ 'spec.jobTemplate.spec.manualSelector': true }, ['spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"']],
], [
  [{ 'spec.schedule': '0 * * * *' }, { 'spec.schedule': '1 * * * *', 'spec.suspend': true }, []],
])
