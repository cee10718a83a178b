import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dns1035LabelErrors, dnsSubdomainErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { ServerStorageVersion, StorageVersion, StorageVersionStatus } from '../types/internal.apiserver.k8s.io_v1alpha1.ts'
import { addInvalid } from './check.ts'
import type { NameRule } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** In which version API servers store a resource (upstream's `pkg/apis/apiserverinternal/validation`). */

/** `<group>.<resource>` */
export const storageVersionName: NameRule = (name) => {
  const dot = name.lastIndexOf('.')
  if (dot < 0) return ['name must be in the form of <group>.<resource>']
  return [...dnsSubdomainErrors(name.slice(0, dot)).map((message) => `the group segment ${message}`), ...dns1035LabelErrors(name.slice(dot + 1)).map((message) => `the resource segment ${message}`)]
}

const emptyText = 'must be non-empty'
const formText = "an apiVersion is a DNS-1035 label, which must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyVersion')"

function versionErrors(apiVersion: string): string[] {
  const parts = apiVersion.split('/')
  if (parts.length > 2) return [formText]
  const version = parts.at(-1) as string
  const group = parts.length === 2 ? parts[0] : undefined
  const groupErrors = group === undefined ? [] : group === '' ? [emptyText] : dnsSubdomainErrors(group)
  return [...groupErrors.map((message) => `group part: ${message}`), ...(version === '' ? [emptyText] : dns1035LabelErrors(version)).map((message) => `version part: ${message}`)]
}

function checkVersion(out: FieldError[], path: string, version: string): void {
  const problems = versionErrors(version)
  if (problems.length > 0) out.push(fieldErrors.invalid(path, version, problems.join(',')))
}

function checkServer(out: FieldError[], path: string, { apiServerID = '', encodingVersion = '', decodableVersions = [], servedVersions = [] }: Readonly<ServerStorageVersion>): void {
  addInvalid(out, `${path}.apiServerID`, apiServerID, dnsSubdomainErrors(apiServerID))
  checkVersion(out, `${path}.encodingVersion`, encodingVersion)
  for (const [i, version] of decodableVersions.entries()) checkVersion(out, `${path}.decodableVersions[${i}]`, version)
  if (!decodableVersions.includes(encodingVersion)) {
    out.push(fieldErrors.invalid(`${path}.decodableVersions`, decodableVersions.length === 0 ? null : decodableVersions, `decodableVersions must include encodingVersion ${encodingVersion}`))
  }
  for (const [i, version] of servedVersions.entries()) {
    const at = `${path}.servedVersions[${i}]`
    checkVersion(out, at, version)
    if (!decodableVersions.includes(version)) out.push(fieldErrors.invalid(at, version, `individual served version : ${version} must be included in decodableVersions : [${decodableVersions.join(' ')}]`))
  }
}

function checkCommonVersion(out: FieldError[], { storageVersions = [], commonEncodingVersion: told }: Readonly<StorageVersionStatus>): void {
  const path = 'status.commonEncodingVersion'
  const first = storageVersions[0]?.encodingVersion ?? ''
  const actual = storageVersions.length > 0 && storageVersions.every(({ encodingVersion = '' }) => encodingVersion === first) ? first : undefined
  if (actual === undefined) {
    if (told !== undefined) out.push(fieldErrors.invalid(path, told, 'should be nil if servers do not agree on the same encoding version, or if there is no server reporting the supported versions yet'))
  } else if (told === undefined) out.push(fieldErrors.invalid(path, null, `the common encoding version is ${actual}`))
  else if (told !== actual) out.push(fieldErrors.invalid(path, told, `the actual common encoding version is ${actual}`))
}

function checkStatus(out: FieldError[], status: Readonly<StorageVersionStatus>): void {
  const { storageVersions = [], conditions = [] } = status
  storageVersions.forEach((server, i) => {
    const at = `status.storageVersions[${i}]`
    if (storageVersions.findIndex(({ apiServerID }) => apiServerID === server.apiServerID) < i) out.push(fieldErrors.duplicate(`${at}.apiServerID`, server.apiServerID ?? ''))
    checkServer(out, at, server)
  })
  checkCommonVersion(out, status)
  const seen = new Map<string, number>()
  for (const [i, { type = '', status: state = '', reason = '', message = '' }] of conditions.entries()) {
    // The path of a condition is upstream's.
    const at = `status[${i}]`
    const before = seen.get(type)
    if (before !== undefined) out.push(fieldErrors.invalid(`${at}.type`, type, `the type of the condition is not unique, it also appears in conditions[${before}]`))
    seen.set(type, i)
    addInvalid(out, `${at}.type`, type, qualifiedNameErrors(type))
    addInvalid(out, `${at}.status`, state, qualifiedNameErrors(state))
    if (reason === '') out.push(fieldErrors.required(`${at}.reason`))
    if (message === '') out.push(fieldErrors.required(`${at}.message`))
  }
}

export const storageVersionValidation: Validation = {
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    checkStatus(out, (object as unknown as StorageVersion).status ?? {})
    return out
  },
}
