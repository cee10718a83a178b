import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { goJsonObjectProblem } from '../../machinery/json-syntax.ts'
import { configMapKeyErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { ConfigMap, Namespace, Secret } from '../types/core_v1.ts'
import { addInvalid, isEmpty } from './check.ts'
import { checkFinalizerOwner, validateFinalizerName, validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** ConfigMaps, Secrets and Namespaces. */

const maxDataBytes = 1024 * 1024

function base64Bytes(text: string): number {
  return Math.floor((text.length * 3) / 4) - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
}

function validateConfigMap(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { data = {}, binaryData = {} } = object as unknown as ConfigMap
  let sizeBytes = 0
  for (const key in data) {
    addInvalid(out, `data[${key}]`, key, configMapKeyErrors(key))
    if (Object.hasOwn(binaryData, key)) out.push(fieldErrors.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    sizeBytes += Buffer.byteLength(data[key] as string)
  }
  for (const key in binaryData) {
    addInvalid(out, `binaryData[${key}]`, key, configMapKeyErrors(key))
    sizeBytes += base64Bytes(binaryData[key] as string)
  }
  if (sizeBytes > maxDataBytes) out.push(fieldErrors.tooLong('[]', maxDataBytes))
  return out
}

const frozenText = 'field is immutable when `immutable` is set'

function checkFrozen(object: Readonly<OpenObject>, old: Readonly<OpenObject>, fields: readonly string[]): FieldError[] {
  if (old.immutable !== true) return []
  return [...(object.immutable === true ? [] : [fieldErrors.forbidden('immutable', frozenText)]), ...fields.filter((field) => !semanticEqual(object[field], old[field])).map((field) => fieldErrors.forbidden(field, frozenText))]
}

export const configMapValidation: Validation = {
  validate: validateConfigMap,
  validateUpdate: (object, old) => [...checkFrozen(object, old, ['data', 'binaryData']), ...validateConfigMap(object)],
}

function validateSecret(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, data = {}, type } = object as unknown as Secret
  let sizeBytes = 0
  for (const key in data) {
    addInvalid(out, `data[${key}]`, key, configMapKeyErrors(key))
    sizeBytes += base64Bytes(data[key] as string)
  }
  if (sizeBytes > maxDataBytes) out.push(fieldErrors.tooLong('data', maxDataBytes))
  const requireKeys = (...keys: string[]): void => {
    for (const key of keys) if (data[key] === undefined) out.push(fieldErrors.required(`data[${key}]`))
  }
  const requireJson = (key: string): void => {
    if (data[key] === undefined) return void out.push(fieldErrors.required(`data[${key}]`))
    const problem = goJsonObjectProblem(Buffer.from(data[key], 'base64').toString('utf8'))
    if (problem !== undefined) out.push(fieldErrors.invalid(`data[${key}]`, '<secret contents redacted>', problem))
  }
  switch (type) {
    case 'kubernetes.io/service-account-token':
      if (isEmpty(metadata.annotations?.['kubernetes.io/service-account.name'])) out.push(fieldErrors.required('metadata.annotations[kubernetes.io/service-account.name]'))
      break
    case 'kubernetes.io/dockercfg': requireJson('.dockercfg'); break
    case 'kubernetes.io/dockerconfigjson': requireJson('.dockerconfigjson'); break
    case 'kubernetes.io/basic-auth':
      if (data.username === undefined && data.password === undefined) requireKeys('username', 'password')
      break
    case 'kubernetes.io/ssh-auth':
      if (isEmpty(data['ssh-privatekey'])) out.push(fieldErrors.required('data[ssh-privatekey]'))
      break
    case 'kubernetes.io/tls': requireKeys('tls.crt', 'tls.key'); break
    default:
  }
  return out
}

export const secretValidation: Validation = {
  validate: validateSecret,
  validateUpdate: (object, old) => [...validateImmutable(object.type, old.type, 'type'), ...checkFrozen(object, old, ['data']), ...validateSecret(object)],
}

function checkFinalizer(name: string, path: string): FieldError[] {
  const errors = validateFinalizerName(name, path)
  checkFinalizerOwner(errors, name, path)
  return errors
}

const finalizersOf = (object: Readonly<OpenObject>): readonly string[] => (object as unknown as Namespace).spec?.finalizers ?? []

/** Of updates through `namespaces/finalize`, whose paths tell the place in the list. */
export const validateNamespaceFinalize = (object: Readonly<OpenObject>): FieldError[] => finalizersOf(object).flatMap((name, i) => checkFinalizer(name, `spec.finalizers[${i}]`))

export const namespaceValidation: Validation = {
  validate: (object) => finalizersOf(object).flatMap((name) => checkFinalizer(name, 'spec.finalizers')),
  validateStatusUpdate(object) {
    const { metadata, status } = object as unknown as Namespace
    if (metadata.deletionTimestamp === undefined && status?.phase !== 'Active') return [fieldErrors.invalid('status.Phase', status?.phase, "may only be 'Active' if `deletionTimestamp` is empty")]
    if (metadata.deletionTimestamp !== undefined && status?.phase !== 'Terminating') return [fieldErrors.invalid('status.Phase', status?.phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
    return []
  },
}
