import { atPath, setAtPath } from '../../api/custom/strategy.ts'
import { apiVersionOf, storageKeyOf, type CustomTraits } from '../../api/resource.ts'
import { fieldElement } from '../../machinery/apply/path-element.ts'
import { ownersAfterScale, ownersOfScale, type ReplicasPaths } from '../../machinery/apply/scale-fields.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { JsonObject } from '../../machinery/json-value.ts'
import { selectorFromLabelSelector, selectorFromSet, selectorText, type LabelSelector } from '../../machinery/labels.ts'
import { fieldErrorCause, fieldErrors } from '../../machinery/field-error.ts'
import { readOnly } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import { cloneJson } from '../clone.ts'
import type { ServerResponse } from '../context.ts'
import { fieldManagerFor } from '../field-management/field-manager.ts'
import { patchKindOf, readPatch } from '../patch-body.ts'
import { scalePrinter } from '../../api/printers/autoscaling.ts'
import { answerObject, fieldManagement, readObject, warnIn, writeParameters, type VerbContext } from '../verb-context.ts'
import { fitted, isApply, readApply, type ApplyRequest } from './apply.ts'
import { patched, refuseForce } from './patch.ts'
import { checkNames } from './update.ts'

const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' }

interface Scalable { spec?: { replicas?: number; selector?: LabelSelector | Record<string, string> }; status?: { replicas?: number } }

/** The autoscaling/v1 Scale of a workload. */
export function scaleOf(object: Readonly<OpenObject>, paths?: CustomTraits['scale']): OpenObject {
  if (paths !== undefined) return customScaleOf(object, paths)
  const { spec, status } = object as Scalable
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = spec?.selector
  // A ReplicationController selects by a plain set of labels.
  const isSet = object.kind === 'ReplicationController'
  const text = selector === undefined ? '' : selectorText(isSet ? selectorFromSet(selector as Record<string, string>) : selectorFromLabelSelector(selector as LabelSelector))
  const replicas = spec?.replicas ?? 0
  return {
    kind: 'Scale', apiVersion: 'autoscaling/v1',
    metadata: { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }), ...(creationTimestamp === undefined ? {} : { creationTimestamp }) },
    spec: replicas === 0 ? {} : { replicas }, status: { replicas: status?.replicas ?? 0, ...(text === '' ? {} : { selector: text }) },
  }
}

/** The Scale of a custom resource, by the paths of its definition. */
function customScaleOf(object: Readonly<OpenObject>, paths: NonNullable<CustomTraits['scale']>): OpenObject {
  const replicas = atPath(object, paths.specReplicasPath)
  if (typeof replicas !== 'number') throw errors.internal(`the spec replicas field ${JSON.stringify(paths.specReplicasPath)} does not exist`)
  const current = atPath(object, paths.statusReplicasPath)
  const selector = paths.labelSelectorPath === undefined ? undefined : atPath(object, paths.labelSelectorPath)
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  return {
    kind: 'Scale', apiVersion: 'autoscaling/v1',
    metadata: { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }), ...(creationTimestamp === undefined ? {} : { creationTimestamp }) },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: typeof current === 'number' ? current : 0, ...(typeof selector === 'string' && selector !== '' ? { selector } : {}) },
  }
}

/** GET, PUT and PATCH of the scale subresource of Deployments, ReplicaSets, StatefulSets and ReplicationControllers. */
export async function scale(context: VerbContext): Promise<ServerResponse> {
  const { resource, info, server } = context
  if (info.verb === 'get') return answerScale(context, scaleOf(await server.registry.get(resource, info.namespace, info.name), resource.custom?.scale))
  if (info.verb === 'patch' && !isApply(context)) patchKindOf(context.request, resource, 'autoscaling/v1.Scale')
  const { dryRun, validation, options } = writeParameters(context.request.query, info.verb === 'patch' ? 'PatchOptions' : 'UpdateOptions')
  const applying = info.verb === 'patch' && isApply(context) ? await readApply(context) : undefined
  if (applying === undefined && info.verb === 'patch') refuseForce(context.request.query)
  const body = info.verb === 'patch' ? undefined : await readObject(context, scaleKind, validation)
  const patch = info.verb === 'patch' && applying === undefined ? await readPatch(context.request, resource, 'autoscaling/v1.Scale') : undefined
  if (patch !== undefined) context.audit?.sentPatch(patch.text)
  const paths = replicasPaths(context)
  const manage = fieldManagement(context)
  const change = async (current: OpenObject): Promise<void> => {
    const { managedFields } = current.metadata
    const bare = scaleOf(current, resource.custom?.scale)
    const owners = ownersOfScale(managedFields, paths)
    if (owners !== undefined) bare.metadata.managedFields = owners
    const old = readOnly(bare)
    let wanted: OpenObject
    if (applying !== undefined) wanted = await appliedScale(context, applying, old)
    else {
      wanted = body === undefined ? patched(context, patch!, cloneJson(old) as unknown as JsonObject, scaleKind, validation) : cloneJson(body)
      await manage(wanted, old)
    }
    checkNames(wanted, info.name, info.namespace)
    await applyScale(context, current, wanted, old, dryRun, options)
    const after = ownersAfterScale(managedFields, wanted.metadata.managedFields, apiVersionOf(resource), paths)
    if (after === undefined) delete current.metadata.managedFields
    else current.metadata.managedFields = after
  }
  const outcome = await server.registry.updateEntry(resource, info.namespace, info.name, change, { user: context.user, dryRun, subresource: 'scale', warn: warnIn(context) })
  return answerScale(context, scaleOf(outcome.object, resource.custom?.scale))
}

async function appliedScale(context: VerbContext, { configuration, manager, force }: ApplyRequest, old: Readonly<OpenObject>): Promise<OpenObject> {
  const { core } = context.server
  const fields = fieldManagerFor(core.resources, context.resource, 'scale')
  const object = fitted(context, await fields.applied(old, configuration.value, manager, force, core.runtime.clock.now()), scaleKind)
  configuration.checkStrictly()
  return object
}

/** Where each served version of the resource keeps its replicas. */
function replicasPaths({ server, resource }: VerbContext): ReplicasPaths {
  return (apiVersion) => {
    const slash = apiVersion.indexOf('/')
    const found = server.core.resources.find(slash < 0 ? '' : apiVersion.slice(0, slash), apiVersion.slice(slash + 1), resource.resource)
    if (found === undefined || found.storagePrefix !== resource.storagePrefix) return undefined
    if (found.custom === undefined) return [fieldElement('spec'), fieldElement('replicas')]
    const { scale: of } = found.custom
    return of === undefined ? null : of.specReplicasPath.split('.').filter((part) => part !== '').map(fieldElement)
  }
}

/** Scales have a type and table columns of their own. */
function answerScale(context: VerbContext, object: OpenObject): ServerResponse {
  return answerObject({ ...context, resource: { ...context.resource, ...scaleKind, typeId: 'autoscaling/v1.Scale', ...scalePrinter } }, object)
}

async function applyScale(context: VerbContext, current: OpenObject, wanted: OpenObject, old: OpenObject, dryRun: boolean, options: Record<string, unknown>): Promise<void> {
  const { resource, info, server, user } = context
  if ((wanted.metadata.namespace ?? '') === '' && info.namespace !== '') wanted.metadata.namespace = info.namespace
  const request = { operation: 'UPDATE' as const, resource, subresource: 'scale', namespace: info.namespace, name: info.name, object: wanted, oldObject: old, user, dryRun, options, warn: warnIn(context), audit: context.audit }
  await server.admission.mutate(request)
  const replicas = (wanted as Scalable).spec?.replicas ?? 0
  const problems = replicas < 0 && resource.custom === undefined ? [fieldErrors.invalid('spec.replicas', replicas, 'must be greater than or equal to 0')] : []
  if (problems.length > 0) throw errors.invalid(scaleKind, info.name, problems.map(fieldErrorCause))
  const { uid, resourceVersion } = wanted.metadata
  if (uid !== undefined && uid !== '' && uid !== current.metadata.uid) {
    const problem = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid ?? ''}`
    // Who replaces a scale is told by the store, who patches one before.
    if (info.verb === 'patch') throw errors.conflict({ group: resource.group, resource: `${resource.resource}/scale` }, info.name, problem)
    throw errors.conflict(resource, info.name, `StorageError: invalid object, Code: 4, Key: ${storageKeyOf(resource, info.namespace, info.name)}, ResourceVersion: 0, AdditionalErrorMsg: ${problem}`)
  }
  const paths = resource.custom?.scale
  if (resourceVersion !== undefined && resourceVersion !== '') current.metadata.resourceVersion = resourceVersion
  // Custom resources are not written blindly: what was read is named.
  else if (paths === undefined) delete current.metadata.resourceVersion
  if (paths !== undefined) setAtPath(current, paths.specReplicasPath, replicas)
  else current.spec = { ...(current.spec as object | undefined), replicas }
  // Who validates sees what the object's scale comes to, and what it was.
  const { managedFields: _owners, ...metadata } = old.metadata
  const object = scaleOf(current, paths)
  object.metadata.resourceVersion ??= old.metadata.resourceVersion!
  await server.admission.validate({ ...request, object, oldObject: readOnly({ ...old, metadata }) })
}
