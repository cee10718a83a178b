import { applyTypeById } from '../../api/apply-types.ts'
import { customApplyType } from '../../api/custom/apply-type.ts'
import { apiVersionOf, type ResourceDescription, type ResourceTable } from '../../api/resource.ts'
import { resetFieldsFor } from '../../api/strategies/reset-fields.ts'
import { typeById } from '../../api/type-table.ts'
import { structuredCopy } from '../../machinery/apply/structured.ts'
import type { ApplyVersion, VersionConverter } from '../../machinery/apply/updater.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { decodeObject } from '../../machinery/schema-decode.ts'
import { cloneJson } from '../clone.ts'

const known = new WeakMap<ResourceDescription, Map<string, ApplyVersion>>()

/** How objects of a resource are compared and merged in its version, by requests to a subresource ('' for the main resource). */
export function applyVersionOf(resource: ResourceDescription, subresource: string): ApplyVersion {
  let of = known.get(resource)
  if (of === undefined) known.set(resource, (of = new Map()))
  let version = of.get(subresource)
  if (version === undefined) {
    const { typeId, custom } = resource
    const type = typeId !== undefined ? applyTypeById(typeId) : customApplyType(custom!.schema())
    version = { apiVersion: apiVersionOf(resource), type, typed: typeId !== undefined, reset: resetFieldsFor(resource, subresource) }
    of.set(subresource, version)
  }
  return version
}

export const scaleVersion: ApplyVersion = { apiVersion: 'autoscaling/v1', get type() { return applyTypeById('autoscaling/v1.Scale') }, typed: true, reset: undefined }

const empties = new Map<string, Readonly<OpenObject>>()

/** An object before anything is set: with what Go writes for a type's zero value, or nothing but what it is for custom resources. */
export function emptyObject(kind: string, apiVersion: string, typeId: string | undefined): OpenObject {
  if (typeId === undefined) return { kind, apiVersion, metadata: {} }
  let empty = empties.get(typeId)
  if (empty === undefined) {
    empty = decodeObject(typeById(typeId)!, { kind, apiVersion, metadata: {} }).value as unknown as OpenObject
    empties.set(typeId, empty)
  }
  return cloneJson(empty) as OpenObject
}

/** The other versions that fields of this resource's objects may be managed in. */
export function versionConverter(table: ResourceTable, resource: ResourceDescription, subresource: string): VersionConverter {
  const described = (apiVersion: string): ResourceDescription | undefined => {
    const slash = apiVersion.indexOf('/')
    const found = table.find(slash < 0 ? '' : apiVersion.slice(0, slash), apiVersion.slice(slash + 1), resource.resource)
    return found?.storagePrefix === resource.storagePrefix ? found : undefined
  }
  return {
    version(apiVersion) {
      const found = described(apiVersion)
      return found === undefined ? undefined : applyVersionOf(found, subresource)
    },
    async convert(object, from, to) {
      return await converted(object as OpenObject, described(from.apiVersion)!, described(to.apiVersion)!)
    },
  }
}

/** By way of the stored version, as every conversion goes. */
async function converted(object: OpenObject, from: ResourceDescription, to: ResourceDescription): Promise<OpenObject> {
  // Merged objects hold nulls as Go's do, which conversions are not written for.
  const copy = from.typeId === undefined ? cloneJson(object) : (decodeObject(typeById(from.typeId)!, cloneJson(object)).value as unknown as OpenObject)
  const apiVersion = apiVersionOf(to)
  const { convert } = to
  if (convert !== undefined || from.convert !== undefined) {
    const [answer] = await (convert ?? from.convert)!([copy], apiVersion)
    return to.view === undefined ? answer! : to.view.of(answer!)
  }
  const stored = from.toStorage === undefined ? copy : from.toStorage(copy)
  const result = to.fromStorage === undefined ? stored : to.fromStorage(stored)
  const shown = { ...result, apiVersion, kind: to.kind }
  return to.typeId === undefined ? shown : (structuredCopy(applyTypeById(to.typeId), shown) as OpenObject)
}
