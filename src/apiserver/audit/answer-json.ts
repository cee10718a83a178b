import { parseJson } from '../../machinery/json-numbers.ts'
import { typeById, typeForKind } from '../../api/type-table.ts'
import { decodeProtobuf, protobufMediaType } from '../../machinery/protobuf-envelope.ts'
import { cborCodec } from '../cbor.ts'
import { parseYaml } from '../yaml.ts'

/** The body of an answer as JSON text, whatever it was encoded in; undefined for what is no object (plain text). */
export function jsonOf(bytes: Uint8Array | string, contentType: string): string | undefined {
  const type = contentType.split(';', 1)[0]!.trim()
  const text = (): string => (typeof bytes === 'string' ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  switch (type) {
    // Spaces and line ends of a pretty answer would break the log's lines.
    case 'application/json': return compact(text())
    case 'application/yaml': return JSON.stringify(parseYaml(text()))
    case 'application/cbor': return JSON.stringify(cborCodec().decodeCbor(typeof bytes === 'string' ? Buffer.from(bytes) : bytes))
    case protobufMediaType: return JSON.stringify(decodeProtobuf(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, (apiVersion, kind) => typeForKind(apiVersion, kind) ?? typeById(`meta/v1.${kind}`)))
    default: return undefined
  }
}

function compact(json: string): string {
  const text = json.endsWith('\n') ? json.slice(0, -1) : json
  return text.includes('\n') ? JSON.stringify(parseJson(text)) : text
}
