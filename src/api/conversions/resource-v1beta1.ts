import type { OpenObject } from '../../machinery/object.ts'

/**
 * resource.k8s.io/v1beta1 keeps what v1 has under `exactly` of a request, and what v1 has in a device under `basic`
 * (upstream's `pkg/apis/resource/v1beta1/conversion.go`). Everything else is the same. All functions make new objects.
 */

type Fields = Record<string, unknown>

/** What stands in the request itself in v1beta1, and under `exactly` in v1. */
const exactFields = ['deviceClassName', 'selectors', 'allocationMode', 'count', 'adminAccess', 'tolerations', 'capacity'] as const

function requestToV1(request: Readonly<Fields>): Fields {
  const out: Fields = {}
  const exactly: Fields = {}
  for (const [key, value] of Object.entries(request)) {
    if ((exactFields as readonly string[]).includes(key)) exactly[key] = value
    else out[key] = value
  }
  const isSet = Object.values(exactly).some((value) => value !== '' && value !== 0 && value !== undefined && value !== null)
  return isSet ? { ...out, exactly } : out
}

/** The class has no `omitempty` in v1beta1: requests with a choice of devices have an empty one. */
function requestToV1beta1({ exactly, ...rest }: Readonly<Fields>): Fields {
  return { ...rest, ...(exactly as Fields | undefined ?? { deviceClassName: '' }) }
}

function mapList(value: unknown, convert: (item: Readonly<Fields>) => Fields): unknown {
  return Array.isArray(value) ? value.map((item) => convert(item as Fields)) : value
}

function withRequests(spec: unknown, convert: (item: Readonly<Fields>) => Fields): unknown {
  const { devices, ...rest } = (spec ?? {}) as { devices?: Fields }
  return devices === undefined ? spec : { ...rest, devices: { ...devices, ...('requests' in devices ? { requests: mapList(devices.requests, convert) } : {}) } }
}

const deviceToV1 = ({ basic, ...rest }: Readonly<Fields>): Fields => ({ ...rest, ...(basic as Fields | undefined) })

function deviceToV1beta1({ name, ...basic }: Readonly<Fields>): Fields {
  return { name, basic }
}

function claim(apiVersion: string, convert: (item: Readonly<Fields>) => Fields): (object: OpenObject) => OpenObject {
  return (object) => ({ ...object, apiVersion, spec: withRequests(object.spec, convert) })
}

function claimTemplate(apiVersion: string, convert: (item: Readonly<Fields>) => Fields): (object: OpenObject) => OpenObject {
  return (object) => ({ ...object, apiVersion, spec: { ...(object.spec as Fields | undefined), spec: withRequests((object.spec as Fields | undefined)?.spec, convert) } })
}

function slice(apiVersion: string, convert: (item: Readonly<Fields>) => Fields): (object: OpenObject) => OpenObject {
  return (object) => {
    const spec = (object.spec ?? {}) as Fields
    return { ...object, apiVersion, spec: { ...spec, ...('devices' in spec ? { devices: mapList(spec.devices, convert) } : {}) } }
  }
}

const v1 = 'resource.k8s.io/v1'
const v1beta1 = 'resource.k8s.io/v1beta1'

export const claimConversion = { storageVersion: v1, toStorage: claim(v1, requestToV1), fromStorage: claim(v1beta1, requestToV1beta1) }
export const claimTemplateConversion = { storageVersion: v1, toStorage: claimTemplate(v1, requestToV1), fromStorage: claimTemplate(v1beta1, requestToV1beta1) }
export const sliceConversion = { storageVersion: v1, toStorage: slice(v1, deviceToV1), fromStorage: slice(v1beta1, deviceToV1beta1) }
