/**
 * What the LMDB store writes, byte by byte. All numbers are unsigned, big-endian, 6 bytes wide (`u48`) unless said otherwise.
 *
 *   index   key in UTF-8          -> modRevision, createRevision, version, leaseId
 *   log     revision              -> put:    u8 1, u16 key length, createRevision, version, leaseId, previous, key, value
 *                                    delete: u8 2, then for each key: previous, u16 key length, key
 *   leases  leaseId               -> ttlSeconds
 *   leased  leaseId, key in UTF-8 -> one byte 0
 *   meta    name                  -> a number
 *
 * `previous` is the modRevision of what the change replaced, 0 for nothing: it leads to that record in the log for as long
 * as compaction leaves it there. A value stands in the log only, once; the index says where. For example after
 *
 *   put a=x (2), put b=y (3), put a=z (4), delete b (5)
 *
 *   index   a -> 4, 2, 2, 0
 *   log     2 -> put a x previous 0    3 -> put b y previous 0    4 -> put a z previous 2    5 -> delete b previous 3
 *
 * As of revision 3, `a` is found so: of the changes after 3 the first to touch `a` is 4; its previous is 2; so a=x.
 * Compaction to 4 drops 2 (replaced at 4); 3 is replaced later, at 5, and stays. Compaction to 5 then drops 3.
 */

const u48 = 6
const putHeaderBytes = 1 + 2 + 4 * u48

/** What the index knows of a key. */
export interface IndexEntry { modRevision: number; createRevision: number; version: number; leaseId: number }

export type LogRecord =
  | { type: 'put'; key: string; entry: Omit<IndexEntry, 'modRevision'>; previous: number; value: Uint8Array }
  | { type: 'delete'; keys: { key: string; previous: number }[] }

/** The greatest number that fits; leases are numbered below it. */
export const maxU48 = 2 ** 48 - 1

export function encodeU48(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(u48)
  bytes.writeUIntBE(value, 0, u48)
  return bytes
}

export function decodeU48(bytes: Buffer): number { return bytes.readUIntBE(0, u48) }

export function encodeIndexEntry(entry: IndexEntry): Buffer {
  const bytes = Buffer.allocUnsafe(4 * u48)
  bytes.writeUIntBE(entry.modRevision, 0, u48)
  bytes.writeUIntBE(entry.createRevision, u48, u48)
  bytes.writeUIntBE(entry.version, 2 * u48, u48)
  bytes.writeUIntBE(entry.leaseId, 3 * u48, u48)
  return bytes
}

export function decodeIndexEntry(bytes: Buffer): IndexEntry {
  return {
    modRevision: bytes.readUIntBE(0, u48), createRevision: bytes.readUIntBE(u48, u48), version: bytes.readUIntBE(2 * u48, u48),
    leaseId: bytes.readUIntBE(3 * u48, u48),
  }
}

/** Around `value` where it stands, if `headroomBytes` before it are enough; else in memory of its own. */
export function encodePut(keyBytes: Buffer, entry: IndexEntry, previous: number, value: Uint8Array, headroomBytes = 0): Buffer {
  const valueAt = putHeaderBytes + keyBytes.length
  const isInPlace = headroomBytes >= valueAt
  const bytes = isInPlace ? Buffer.from(value.buffer, value.byteOffset - valueAt, valueAt + value.byteLength) : Buffer.allocUnsafe(valueAt + value.byteLength)
  bytes[0] = 1
  bytes.writeUInt16BE(keyBytes.length, 1)
  bytes.writeUIntBE(entry.createRevision, 3, u48)
  bytes.writeUIntBE(entry.version, 3 + u48, u48)
  bytes.writeUIntBE(entry.leaseId, 3 + 2 * u48, u48)
  bytes.writeUIntBE(previous, 3 + 3 * u48, u48)
  bytes.set(keyBytes, putHeaderBytes)
  if (!isInPlace) bytes.set(value, valueAt)
  return bytes
}

export function encodeDelete(keys: readonly { keyBytes: Buffer; previous: number }[]): Buffer {
  const parts: Buffer[] = [Buffer.of(2)]
  for (const { keyBytes, previous } of keys) {
    const head = Buffer.allocUnsafe(u48 + 2)
    head.writeUIntBE(previous, 0, u48)
    head.writeUInt16BE(keyBytes.length, u48)
    parts.push(head, keyBytes)
  }
  return Buffer.concat(parts)
}

/** The value of a put record of `sizeBytes`, as a copy: `bytes` may be a buffer that the next read overwrites. */
export function copyPutValue(bytes: Buffer, sizeBytes: number): Uint8Array {
  const from = putHeaderBytes + bytes.readUInt16BE(1)
  const value = Buffer.allocUnsafe(sizeBytes - from)
  bytes.copy(value, 0, from, sizeBytes)
  return value
}

/** A record of `sizeBytes` at the start of `bytes`; nothing of the answer points into `bytes`. */
export function decodeLogRecord(bytes: Buffer, sizeBytes: number): LogRecord {
  if (bytes[0] === 1) {
    return {
      type: 'put', key: bytes.toString('utf8', putHeaderBytes, putHeaderBytes + bytes.readUInt16BE(1)),
      entry: { createRevision: bytes.readUIntBE(3, u48), version: bytes.readUIntBE(3 + u48, u48), leaseId: bytes.readUIntBE(3 + 2 * u48, u48) },
      previous: bytes.readUIntBE(3 + 3 * u48, u48), value: copyPutValue(bytes, sizeBytes),
    }
  }
  return { type: 'delete', keys: readChanges(bytes, sizeBytes) }
}

/** Which keys a record changed and what each replaced, without its value. */
export function readChanges(bytes: Buffer, sizeBytes: number): { key: string; previous: number }[] {
  if (bytes[0] === 1) {
    return [{ key: bytes.toString('utf8', putHeaderBytes, putHeaderBytes + bytes.readUInt16BE(1)), previous: bytes.readUIntBE(3 + 3 * u48, u48) }]
  }
  const changes: { key: string; previous: number }[] = []
  for (let at = 1; at < sizeBytes;) {
    const end = at + u48 + 2 + bytes.readUInt16BE(at + u48)
    changes.push({ previous: bytes.readUIntBE(at, u48), key: bytes.toString('utf8', at + u48 + 2, end) })
    at = end
  }
  return changes
}

export function isDelete(bytes: Buffer): boolean { return bytes[0] === 2 }
