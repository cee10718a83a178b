import type { Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from './types/core_v1.ts'

function matchesRequirement(requirement: NodeSelectorRequirement, value: string | undefined): boolean {
  const values = requirement.values ?? []
  switch (requirement.operator) {
    case 'In': return value !== undefined && values.includes(value)
    case 'NotIn': return value === undefined || !values.includes(value)
    case 'Exists': return value !== undefined
    case 'DoesNotExist': return value === undefined
    case 'Gt':
    case 'Lt': {
      const [actual, wanted] = [Number(value ?? Number.NaN), Number(values[0] ?? Number.NaN)]
      if (!Number.isInteger(actual) || !Number.isInteger(wanted)) return false
      return requirement.operator === 'Gt' ? actual > wanted : actual < wanted
    }
    default: return false
  }
}

/** A term matches when all its requirements do; an empty term matches no node (core/v1 NodeSelectorTerm). */
export function matchesNodeTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length === 0 && fields.length === 0) return false
  return expressions.every((each) => matchesRequirement(each, node.metadata.labels?.[each.key]))
    && fields.every((each) => each.key === 'metadata.name' && matchesRequirement(each, node.metadata.name))
}

/** Terms are alternatives. */
export function matchesNodeSelector(selector: NodeSelector, node: Node): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesNodeTerm(term, node))
}

/** Whether the node meets a pod's `nodeSelector` and its required node affinity. */
export function matchesRequiredNodeAffinity(spec: PodSpec, node: Node): boolean {
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) if (node.metadata.labels?.[key] !== value) return false
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return required === undefined || matchesNodeSelector(required, node)
}
