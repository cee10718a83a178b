import type { FlowSchema, PriorityLevelConfiguration } from '../types/flowcontrol.apiserver.k8s.io_v1.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

const api = 'flowcontrol.apiserver.k8s.io/v1'

export const flowcontrolPrinters: Record<string, KindPrinter> = {
  FlowSchema: printer<FlowSchema>([
    nameColumn,
    fieldColumn('PriorityLevel', 'string', `${api}.PriorityLevelConfigurationReference`, 'name'),
    fieldColumn('MatchingPrecedence', 'string', `${api}.FlowSchemaSpec`, 'matchingPrecedence'),
    fieldColumn('DistinguisherMethod', 'string', `${api}.FlowSchemaSpec`, 'distinguisherMethod'),
    ageColumn,
    column('MissingPL', 'string', 'references a broken or non-existent PriorityLevelConfiguration'),
  ], (schema, nowMs) => [
    schema.metadata.name ?? '', schema.spec.priorityLevelConfiguration?.name ?? '', schema.spec.matchingPrecedence ?? 0, schema.spec.distinguisherMethod?.type ?? '<none>',
    age(schema, nowMs), schema.status?.conditions?.find((condition) => condition.type === 'Dangling')?.status ?? '?',
  ]),
  PriorityLevelConfiguration: printer<PriorityLevelConfiguration>([
    nameColumn,
    fieldColumn('Type', 'string', `${api}.PriorityLevelConfigurationSpec`, 'type'),
    fieldColumn('NominalConcurrencyShares', 'string', `${api}.LimitedPriorityLevelConfiguration`, 'nominalConcurrencyShares'),
    fieldColumn('Queues', 'string', `${api}.QueuingConfiguration`, 'queues'),
    fieldColumn('HandSize', 'string', `${api}.QueuingConfiguration`, 'handSize'),
    fieldColumn('QueueLengthLimit', 'string', `${api}.QueuingConfiguration`, 'queueLengthLimit'),
    ageColumn,
  ], (level, nowMs) => {
    const limited = level.spec.limited
    const queuing = limited?.limitResponse?.queuing
    const none = '<none>'
    return [
      level.metadata.name ?? '', level.spec.type, limited === undefined ? none : limited.nominalConcurrencyShares ?? 0,
      queuing?.queues ?? none, queuing?.handSize ?? none, queuing?.queueLengthLimit ?? none, age(level, nowMs),
    ]
  }),
}
