import { createCipheriv, createDecipheriv, createHash, createHmac, type CipherGCMTypes } from 'node:crypto'
import type { Random } from '../../runtime/random.ts'
import type { ValueTransformer } from './value-transformer.ts'

const gcmNonceBytes = 12
const gcmTagBytes = 16
const cbcBlockBytes = 16
const secretboxNonceBytes = 24
const infoBytes = 32
export const seedBytes = 32

/** Tells keys apart without telling anything about them. */
function fingerprint(key: Uint8Array): string {
  return createHash('sha256').update('mark of a key').update(key).digest('base64url').slice(0, 12)
}

/** AES-GCM: nonce, ciphertext, tag; bound to the storage key. */
export function aesGcm(key: Buffer, random: Random, mark = fingerprint(key)): ValueTransformer {
  const algorithm = `aes-${key.length * 8}-gcm` as CipherGCMTypes
  return {
    open(stored, storageKey) {
      if (stored.length < gcmNonceBytes + gcmTagBytes) throw new Error('the stored data was shorter than the required size')
      const decipher = createDecipheriv(algorithm, key, stored.subarray(0, gcmNonceBytes), { authTagLength: gcmTagBytes })
      decipher.setAAD(Buffer.from(storageKey))
      decipher.setAuthTag(stored.subarray(stored.length - gcmTagBytes))
      const data = decipher.update(stored.subarray(gcmNonceBytes, stored.length - gcmTagBytes))
      try {
        decipher.final()
      } catch (cause) {
        throw new Error('cipher: message authentication failed', { cause })
      }
      return { data, mark }
    },
    seal(value, storageKey) {
      const nonce = random.bytes(gcmNonceBytes)
      const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: gcmTagBytes })
      cipher.setAAD(Buffer.from(storageKey))
      const encrypted = cipher.update(value)
      cipher.final()
      return Buffer.concat([nonce, encrypted, cipher.getAuthTag()])
    },
    currentMark: () => mark,
  }
}

/** AES-CBC with PKCS #7 padding: initialisation vector, ciphertext. Not authenticated: upstream advises against it. */
export function aesCbc(key: Buffer, random: Random): ValueTransformer {
  const algorithm = `aes-${key.length * 8}-cbc`
  const mark = fingerprint(key)
  return {
    open(stored) {
      if (stored.length < cbcBlockBytes) throw new Error('the stored data was shorter than the required size')
      const encrypted = stored.subarray(cbcBlockBytes)
      if (encrypted.length === 0 || encrypted.length % cbcBlockBytes !== 0) throw new Error('the stored data is not a multiple of the block size')
      const decipher = createDecipheriv(algorithm, key, stored.subarray(0, cbcBlockBytes))
      try {
        return { data: Buffer.concat([decipher.update(encrypted), decipher.final()]), mark }
      } catch (cause) {
        throw new Error('invalid padding on input', { cause })
      }
    },
    seal(value) {
      const iv = random.bytes(cbcBlockBytes)
      const cipher = createCipheriv(algorithm, key, iv)
      return Buffer.concat([iv, cipher.update(value), cipher.final()])
    },
    currentMark: () => mark,
  }
}

type XSalsa = (key: Uint8Array, nonce: Uint8Array) => { encrypt(data: Uint8Array): Uint8Array; decrypt(data: Uint8Array): Uint8Array }

/** NaCl's secretbox, XSalsa20 and Poly1305: nonce, tag, ciphertext. `cipher` is the library's, loaded when a configuration asks for it. */
export function secretbox(key: Buffer, random: Random, cipher: XSalsa): ValueTransformer {
  const mark = fingerprint(key)
  return {
    open(stored) {
      if (stored.length < secretboxNonceBytes) throw new Error('the stored data was shorter than the required size')
      try {
        const data = cipher(key, stored.subarray(0, secretboxNonceBytes)).decrypt(stored.subarray(secretboxNonceBytes))
        return { data: Buffer.from(data.buffer, data.byteOffset, data.byteLength), mark }
      } catch (cause) {
        throw new Error('output array was not large enough for encryption', { cause })
      }
    },
    seal(value) {
      const nonce = random.bytes(secretboxNonceBytes)
      return Buffer.concat([nonce, cipher(key, nonce).encrypt(value)])
    },
    currentMark: () => mark,
  }
}

/**
 * AES-GCM whose key is derived anew for every value from a seed and 32 random bytes, which stand before it: nonces never wear
 * out (KEP-3299; HKDF-Expand of RFC 5869 with SHA-256, of which one block is the key).
 */
export function extendedNonceGcm(seed: Buffer, random: Random): ValueTransformer {
  if (seed.length < seedBytes) throw new Error(`invalid seed length ${seed.length} used for key generation`)
  const keyOf = (info: Uint8Array): Buffer => createHmac('sha256', seed).update(info).update(Uint8Array.of(1)).digest()
  return {
    open(stored, storageKey) {
      if (stored.length < infoBytes) throw new Error('the stored data was shorter than the required size')
      return aesGcm(keyOf(stored.subarray(0, infoBytes)), random, '').open(stored.subarray(infoBytes), storageKey)
    },
    seal(value, storageKey) {
      const info = random.bytes(infoBytes)
      return Buffer.concat([info, aesGcm(keyOf(info), random, '').seal(value, storageKey)])
    },
    currentMark: () => '',
  }
}
