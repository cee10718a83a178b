import { errors, type StatusError } from '../status.ts'
import type { Manager } from './managed-fields.ts'
import { pathText } from './path-element.ts'
import type { FieldConflict } from './updater.ts'

function managerText({ name, operation, apiVersion, subresource }: Manager): string {
  const text = `${JSON.stringify(name)}${subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`}`
  return operation === 'Update' ? `${text} using ${apiVersion}` : text
}

/** 409 with one cause a field, and the message that kubectl shows. */
export function applyConflict(conflicts: readonly FieldConflict[]): StatusError {
  const causes = conflicts.map(({ manager, path }) => ({ reason: 'FieldManagerConflict', message: `conflict with ${managerText(manager)}`, field: pathText(path) }))
  return errors.applyConflict(messageOf(conflicts), causes)
}

function messageOf(conflicts: readonly FieldConflict[]): string {
  const [only] = conflicts
  if (only !== undefined && conflicts.length === 1) return `Apply failed with 1 conflict: conflict with ${managerText(only.manager)}: ${pathText(only.path)}`
  const paths = new Map<Manager, string[]>()
  for (const { manager, path } of conflicts) {
    const of = paths.get(manager)
    if (of === undefined) paths.set(manager, [pathText(path)])
    else of.push(pathText(path))
  }
  const lines = [...paths].flatMap(([manager, of]) => [`conflicts with ${managerText(manager)}:`, ...of.map((path) => `- ${path}`)])
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`
}
