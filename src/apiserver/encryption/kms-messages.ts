import { Reader, ReverseWriter } from '../../machinery/protobuf-wire.ts'

/** Messages of the KMS plugin API v2 (https://github.com/kubernetes/kms/blob/main/apis/v2/api.proto) and of what is stored (KEP-3299). */

export type Annotations = ReadonlyMap<string, Uint8Array>

export interface KmsStatus { version: string; healthz: string; keyId: string }
export interface KmsEncrypted { ciphertext: Buffer; keyId: string; annotations: Annotations }
export interface KmsDecryptRequest { ciphertext: Uint8Array; uid: string; keyId: string; annotations: Annotations }

/** What a data encryption key was made from: the key itself, or a seed of keys. */
export type DekSourceType = 'aes-gcm-key' | 'hkdf-seed'
const sourceTypes: readonly DekSourceType[] = ['aes-gcm-key', 'hkdf-seed']

/** A stored value: data under a key, and that key under the plugin's. */
export interface EncryptedObject { data: Buffer; keyId: string; dekSource: Buffer; annotations: Annotations; sourceType: DekSourceType }

/** Map entries in the order of their keys, backwards, as the writer wants them. */
function writeAnnotations(writer: ReverseWriter, field: number, annotations: Annotations): void {
  for (const [name, value] of [...annotations].sort(([a], [b]) => (a < b ? 1 : -1))) {
    const before = writer.length
    writer.bytesField(2, value)
    writer.textField(1, name)
    writer.close(field, before)
  }
}

/** Calls `field` for each field; it answers true when it has read it. */
function readFields(reader: Reader, field: (number: number) => boolean): void {
  while (reader.at < reader.end) {
    const tag = reader.varint()
    if (!field(Math.floor(tag / 8))) reader.skip(tag % 8)
  }
}

function readAnnotation(reader: Reader, into: Map<string, Uint8Array>): true {
  const outer = reader.enter()
  let name = ''
  let value: Uint8Array = new Uint8Array(0)
  readFields(reader, (number) => {
    if (number === 1) name = reader.text()
    else if (number === 2) value = Buffer.from(reader.bytes())
    else return false
    return true
  })
  reader.leave(outer)
  into.set(name, value)
  return true
}

export function decodeStatus(bytes: Uint8Array): KmsStatus {
  const reader = new Reader(bytes)
  const status: KmsStatus = { version: '', healthz: '', keyId: '' }
  readFields(reader, (number) => {
    if (number === 1) status.version = reader.text()
    else if (number === 2) status.healthz = reader.text()
    else if (number === 3) status.keyId = reader.text()
    else return false
    return true
  })
  return status
}

export function encodeEncryptRequest(plaintext: Uint8Array, uid: string): Buffer {
  const writer = new ReverseWriter()
  writer.textField(2, uid)
  writer.bytesField(1, plaintext)
  return Buffer.from(writer.finish())
}

export function decodeEncrypted(bytes: Uint8Array): KmsEncrypted {
  const reader = new Reader(bytes)
  const annotations = new Map<string, Uint8Array>()
  const encrypted = { ciphertext: Buffer.alloc(0), keyId: '', annotations }
  readFields(reader, (number) => {
    if (number === 1) encrypted.ciphertext = Buffer.from(reader.bytes())
    else if (number === 2) encrypted.keyId = reader.text()
    else if (number === 3) return readAnnotation(reader, annotations)
    else return false
    return true
  })
  return encrypted
}

export function encodeDecryptRequest({ ciphertext, uid, keyId, annotations }: KmsDecryptRequest): Buffer {
  const writer = new ReverseWriter()
  writeAnnotations(writer, 4, annotations)
  writer.textField(3, keyId)
  writer.textField(2, uid)
  writer.bytesField(1, ciphertext)
  return Buffer.from(writer.finish())
}

export function decodeDecrypted(bytes: Uint8Array): Buffer {
  const reader = new Reader(bytes)
  let plaintext = Buffer.alloc(0)
  readFields(reader, (number) => {
    if (number !== 1) return false
    plaintext = Buffer.from(reader.bytes())
    return true
  })
  return plaintext
}

export function encodeEncryptedObject({ data, keyId, dekSource, annotations, sourceType }: EncryptedObject): Buffer {
  const writer = new ReverseWriter(data.length + dekSource.length + 512)
  const type = sourceTypes.indexOf(sourceType)
  if (type > 0) {
    writer.varint(type)
    writer.tag(5, 0)
  }
  writeAnnotations(writer, 4, annotations)
  writer.bytesField(3, dekSource)
  writer.textField(2, keyId)
  writer.bytesField(1, data)
  return Buffer.from(writer.finish())
}

/** Throws for what is no such message, or says less than it must. */
export function decodeEncryptedObject(bytes: Uint8Array): EncryptedObject {
  const reader = new Reader(bytes)
  const annotations = new Map<string, Uint8Array>()
  const object = { data: Buffer.alloc(0), keyId: '', dekSource: Buffer.alloc(0), annotations }
  let type = 0
  readFields(reader, (number) => {
    if (number === 1) object.data = reader.bytes() as Buffer<ArrayBuffer>
    else if (number === 2) object.keyId = reader.text()
    else if (number === 3) object.dekSource = reader.bytes() as Buffer<ArrayBuffer>
    else if (number === 4) return readAnnotation(reader, annotations)
    else if (number === 5) type = reader.varint()
    else return false
    return true
  })
  const sourceType = sourceTypes[type]
  if (sourceType === undefined) throw new Error(`unknown encryptedDEKSourceType: ${type}`)
  if (object.data.length === 0) throw new Error('encrypted data is empty')
  const problem = envelopeProblem({ ...object, sourceType })
  if (problem !== undefined) throw new Error(problem)
  return { ...object, sourceType }
}

const maxAnnotationBytes = 32 * 1024
const maxKeyIdBytes = 1024
const maxDekSourceBytes = 1024
const domainName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+\.?$/

/** What is wrong with what a plugin has answered, or with what is stored. */
export function envelopeProblem({ keyId, dekSource, annotations }: Omit<EncryptedObject, 'data'>): string | undefined {
  if (dekSource.length === 0) return 'failed to validate encrypted DEK source: encrypted DEK source is empty'
  if (dekSource.length > maxDekSourceBytes) return `failed to validate encrypted DEK source: encrypted DEK source is ${dekSource.length} bytes, which exceeds the max size of ${maxDekSourceBytes}`
  const keyProblem = keyIdProblem(keyId)
  if (keyProblem !== undefined) return `failed to validate key id: ${keyProblem}`
  let sizeBytes = 0
  for (const [name, value] of annotations) {
    if (!domainName.test(name)) return `failed to validate annotations: annotations: Invalid value: ${JSON.stringify(name)}: should be a domain with at least two segments separated by dots`
    sizeBytes += Buffer.byteLength(name) + value.length
  }
  return sizeBytes > maxAnnotationBytes ? `failed to validate annotations: total size of annotations is ${sizeBytes}, which exceeds the max size of ${maxAnnotationBytes}` : undefined
}

export function keyIdProblem(keyId: string): string | undefined {
  if (keyId === '') return 'keyID is empty'
  const sizeBytes = Buffer.byteLength(keyId)
  return sizeBytes > maxKeyIdBytes ? `keyID is ${sizeBytes} bytes, which exceeds the max size of ${maxKeyIdBytes}` : undefined
}
