import { isJsonObject } from '../../machinery/json-value.ts'
import { ReverseWriter } from '../../machinery/protobuf-wire.ts'

/**
 * OpenAPI as protobuf: gnostic's `openapi.v2.Document`, which client-go asks for, and `openapi.v3.Document`. Messages are described by tables of
 * field numbers (from `OpenAPIv2.proto` and `OpenAPIv3.proto` of github.com/google/gnostic-models; those of v3 end with 3); one routine writes them all.
 */

type Kind = 'text' | 'bool' | 'int' | 'double' | 'any' | 'texts' | 'anys' | { message: string } | { list: string }
  /** A map as `repeated Named… { name = 1, value = 2 }`, either in place or in a message of its own as field 1. */
  | { named: string; wrapped?: true }
interface Message { fields: Record<string, readonly [number: number, kind: Kind]>; extensions?: number }

const limits = (from: number): Message['fields'] => ({ uniqueItems: [from, 'bool'], enum: [from + 1, 'anys'] })

const messages: Record<string, Message> = {
  Document: {
    fields: {
      swagger: [1, 'text'], info: [2, { message: 'Info' }], consumes: [6, 'texts'], produces: [7, 'texts'], paths: [8, { message: 'Paths' }],
      definitions: [9, { named: 'Schema', wrapped: true }], parameters: [10, { named: 'Parameter', wrapped: true }], security: [12, { list: 'SecurityRequirement' }],
      securityDefinitions: [13, { named: 'SecurityDefinitionsItem', wrapped: true }],
    },
    extensions: 16,
  },
  Info: { fields: { title: [1, 'text'], version: [2, 'text'], description: [3, 'text'] }, extensions: 7 },
  PathItem: {
    fields: {
      get: [2, { message: 'Operation' }], put: [3, { message: 'Operation' }], post: [4, { message: 'Operation' }], delete: [5, { message: 'Operation' }],
      options: [6, { message: 'Operation' }], head: [7, { message: 'Operation' }], patch: [8, { message: 'Operation' }], parameters: [9, { list: 'ParametersItem' }],
    },
    extensions: 10,
  },
  Operation: {
    fields: {
      tags: [1, 'texts'], description: [3, 'text'], operationId: [5, 'text'], produces: [6, 'texts'], consumes: [7, 'texts'],
      parameters: [8, { list: 'ParametersItem' }], responses: [9, { message: 'Responses' }], schemes: [10, 'texts'], deprecated: [11, 'bool'],
    },
    extensions: 13,
  },
  BodyParameter: { fields: { description: [1, 'text'], name: [2, 'text'], in: [3, 'text'], required: [4, 'bool'], schema: [5, { message: 'Schema' }] }, extensions: 6 },
  QueryParameter: { fields: { required: [1, 'bool'], in: [2, 'text'], description: [3, 'text'], name: [4, 'text'], type: [6, 'text'], format: [7, 'text'], ...limits(20) }, extensions: 23 },
  PathParameter: { fields: { required: [1, 'bool'], in: [2, 'text'], description: [3, 'text'], name: [4, 'text'], type: [5, 'text'], format: [6, 'text'], ...limits(19) }, extensions: 22 },
  JsonReference: { fields: { $ref: [1, 'text'], description: [2, 'text'] } },
  ApiKeySecurity: { fields: { type: [1, 'text'], name: [2, 'text'], in: [3, 'text'], description: [4, 'text'] }, extensions: 5 },
  Response: { fields: { description: [1, 'text'], schema: [2, { message: 'SchemaItem' }] }, extensions: 5 },
  Schema: {
    fields: {
      $ref: [1, 'text'], format: [2, 'text'], title: [3, 'text'], description: [4, 'text'], default: [5, 'any'], multipleOf: [6, 'double'], maximum: [7, 'double'],
      exclusiveMaximum: [8, 'bool'], minimum: [9, 'double'], exclusiveMinimum: [10, 'bool'], maxLength: [11, 'int'], minLength: [12, 'int'], pattern: [13, 'text'],
      maxItems: [14, 'int'], minItems: [15, 'int'], uniqueItems: [16, 'bool'], maxProperties: [17, 'int'], minProperties: [18, 'int'], required: [19, 'texts'],
      enum: [20, 'anys'], additionalProperties: [21, { message: 'AdditionalProperties' }], type: [22, { message: 'TypeItem' }], items: [23, { message: 'ItemsItem' }],
      allOf: [24, { list: 'Schema' }], properties: [25, { named: 'Schema', wrapped: true }], example: [30, 'any'],
    },
    extensions: 31,
  },
  Document3: { fields: { openapi: [1, 'text'], info: [2, { message: 'Info3' }], paths: [4, { message: 'Paths3' }], components: [5, { message: 'Components3' }] }, extensions: 9 },
  Info3: { fields: { title: [1, 'text'], description: [2, 'text'], version: [6, 'text'] }, extensions: 7 },
  Components3: { fields: { schemas: [1, { named: 'SchemaOrReference3', wrapped: true }], securitySchemes: [7, { named: 'SecuritySchemeOrReference3', wrapped: true }] }, extensions: 10 },
  SecurityScheme3: { fields: { type: [1, 'text'], description: [2, 'text'], name: [3, 'text'], in: [4, 'text'], scheme: [5, 'text'], bearerFormat: [6, 'text'] }, extensions: 9 },
  PathItem3: {
    fields: {
      summary: [2, 'text'], description: [3, 'text'], get: [4, { message: 'Operation3' }], put: [5, { message: 'Operation3' }], post: [6, { message: 'Operation3' }],
      delete: [7, { message: 'Operation3' }], options: [8, { message: 'Operation3' }], head: [9, { message: 'Operation3' }], patch: [10, { message: 'Operation3' }],
      trace: [11, { message: 'Operation3' }], parameters: [13, { list: 'ParameterOrReference3' }],
    },
    extensions: 14,
  },
  Operation3: {
    fields: {
      tags: [1, 'texts'], summary: [2, 'text'], description: [3, 'text'], operationId: [5, 'text'], parameters: [6, { list: 'ParameterOrReference3' }],
      requestBody: [7, { message: 'RequestBodyOrReference3' }], responses: [8, { message: 'Responses3' }], deprecated: [10, 'bool'],
    },
    extensions: 13,
  },
  Parameter3: {
    fields: {
      name: [1, 'text'], in: [2, 'text'], description: [3, 'text'], required: [4, 'bool'], deprecated: [5, 'bool'], allowEmptyValue: [6, 'bool'], style: [7, 'text'], explode: [8, 'bool'],
      allowReserved: [9, 'bool'], schema: [10, { message: 'SchemaOrReference3' }], example: [11, 'any'], content: [13, { named: 'MediaType3', wrapped: true }],
    },
    extensions: 14,
  },
  RequestBody3: { fields: { description: [1, 'text'], content: [2, { named: 'MediaType3', wrapped: true }], required: [3, 'bool'] }, extensions: 4 },
  Response3: { fields: { description: [1, 'text'], content: [3, { named: 'MediaType3', wrapped: true }] }, extensions: 5 },
  MediaType3: { fields: { schema: [1, { message: 'SchemaOrReference3' }], example: [2, 'any'] }, extensions: 5 },
  Reference3: { fields: { $ref: [1, 'text'] } },
  Schema3: {
    fields: {
      nullable: [1, 'bool'], readOnly: [3, 'bool'], writeOnly: [4, 'bool'], example: [7, 'any'], deprecated: [8, 'bool'], title: [9, 'text'], multipleOf: [10, 'double'], maximum: [11, 'double'],
      exclusiveMaximum: [12, 'bool'], minimum: [13, 'double'], exclusiveMinimum: [14, 'bool'], maxLength: [15, 'int'], minLength: [16, 'int'], pattern: [17, 'text'], maxItems: [18, 'int'],
      minItems: [19, 'int'], uniqueItems: [20, 'bool'], maxProperties: [21, 'int'], minProperties: [22, 'int'], required: [23, 'texts'], enum: [24, 'anys'], type: [25, 'text'],
      allOf: [26, { list: 'SchemaOrReference3' }], oneOf: [27, { list: 'SchemaOrReference3' }], anyOf: [28, { list: 'SchemaOrReference3' }], not: [29, { message: 'Schema3' }],
      items: [30, { message: 'Items3' }], properties: [31, { named: 'SchemaOrReference3', wrapped: true }], additionalProperties: [32, { message: 'AdditionalProperties3' }],
      default: [33, { message: 'Default3' }], description: [34, 'text'], format: [35, 'text'],
    },
    extensions: 36,
  },
}

type Value = Record<string, unknown>

/** Messages whose JSON form is not that of their fields. */
const irregular: Record<string, (writer: ReverseWriter, value: unknown) => void> = {
  /** Paths stand directly in the message, as field 2. */
  Paths: (writer, value) => writeNamed(writer, 2, 'PathItem', value as Value),
  Responses: (writer, value) => writeNamed(writer, 1, 'ResponseValue', value as Value),
  ResponseValue: (writer, value) => nested(writer, 1, () => writeMessage(writer, 'Response', value)),
  SchemaItem: (writer, value) => nested(writer, 1, () => writeMessage(writer, 'Schema', value)),
  ItemsItem: (writer, value) => nested(writer, 1, () => writeMessage(writer, 'Schema', value)),
  TypeItem: (writer, value) => writer.textField(1, String(value)),
  AdditionalProperties: (writer, value) => {
    if (typeof value === 'boolean') {
      writer.varint(value ? 1 : 0)
      writer.tag(2, 0)
    } else nested(writer, 1, () => writeMessage(writer, 'Schema', value))
  },
  /** A oneof of body and other parameters, the latter by where they stand. */
  Parameter: (writer, value) => {
    const where = (value as Value)['in']
    if (where === 'body') return nested(writer, 1, () => writeMessage(writer, 'BodyParameter', value))
    return nested(writer, 2, () => (where === 'path'
      ? nested(writer, 4, () => writeMessage(writer, 'PathParameter', value)) : nested(writer, 3, () => writeMessage(writer, 'QueryParameter', value))))
  },
  ParametersItem: (writer, value) => (Object.hasOwn(value as Value, '$ref')
    ? nested(writer, 2, () => writeMessage(writer, 'JsonReference', value)) : nested(writer, 1, () => writeMessage(writer, 'Parameter', value))),
  /** A oneof by what secures; keys in headers are the second. */
  SecurityDefinitionsItem: (writer, value) => nested(writer, 2, () => writeMessage(writer, 'ApiKeySecurity', value)),
  /** Names with lists of scopes. */
  SecurityRequirement: (writer, value) => writeNamed(writer, 1, 'StringArray', value as Value),
  StringArray: (writer, value) => {
    for (const text of [...(value as string[])].reverse()) writer.textField(1, text)
  },
  ...Object.fromEntries(['Schema', 'SecurityScheme', 'Parameter', 'RequestBody', 'Response'].map((name) => [`${name}OrReference3`, (writer: ReverseWriter, value: unknown) => (
    Object.hasOwn(value as Value, '$ref') ? nested(writer, 2, () => writeMessage(writer, 'Reference3', value)) : nested(writer, 1, () => writeMessage(writer, `${name}3`, value)))])),
  Paths3: (writer, value) => writeNamed(writer, 1, 'PathItem3', value as Value),
  Responses3: (writer, value) => {
    const { default: other, ...byCode } = value as Value
    writeNamed(writer, 2, 'ResponseOrReference3', byCode)
    if (other !== undefined) nested(writer, 1, () => writeMessage(writer, 'ResponseOrReference3', other))
  },
  Items3: (writer, value) => nested(writer, 1, () => writeMessage(writer, 'SchemaOrReference3', value)),
  AdditionalProperties3: (writer, value) => {
    if (typeof value === 'boolean') {
      writer.varint(value ? 1 : 0)
      writer.tag(2, 0)
    } else nested(writer, 1, () => writeMessage(writer, 'SchemaOrReference3', value))
  },
  /** There is no form for other defaults than these; the message stays empty then. */
  Default3: (writer, value) => {
    if (typeof value === 'number') {
      writer.double(value)
      writer.tag(1, 1)
    } else if (typeof value === 'boolean') {
      writer.varint(value ? 1 : 0)
      writer.tag(2, 0)
    } else if (typeof value === 'string') writer.textField(3, value)
  },
}

function nested(writer: ReverseWriter, field: number, write: () => void): void {
  const before = writer.length
  write()
  writer.close(field, before)
}

/** The value as YAML text, which is how gnostic carries what it has no message for. */
function writeAny(writer: ReverseWriter, field: number, value: unknown): void {
  nested(writer, field, () => writer.textField(2, yamlOf(value, '')))
}

function writeNamed(writer: ReverseWriter, field: number, message: string, value: Value): void {
  for (const [name, inner] of Object.entries(value).sort(([a], [b]) => (a < b ? 1 : -1))) {
    nested(writer, field, () => {
      nested(writer, 2, () => writeMessage(writer, message, inner))
      writer.textField(1, name)
    })
  }
}

function writeField(writer: ReverseWriter, field: number, kind: Kind, value: unknown): void {
  switch (kind) {
    case 'text': return writer.textField(field, String(value))
    case 'bool':
      writer.varint(value === true ? 1 : 0)
      return writer.tag(field, 0)
    case 'int':
      writer.signed(Number(value))
      return writer.tag(field, 0)
    case 'double':
      writer.double(Number(value))
      return writer.tag(field, 1)
    case 'any': return writeAny(writer, field, value)
    case 'texts':
      for (const text of [...(value as string[])].reverse()) writer.textField(field, text)
      return
    case 'anys':
      for (const item of [...(value as unknown[])].reverse()) writeAny(writer, field, item)
      return
    default:
      if ('message' in kind) nested(writer, field, () => writeMessage(writer, kind.message, value))
      else if ('list' in kind) for (const item of [...(value as unknown[])].reverse()) nested(writer, field, () => writeMessage(writer, kind.list, item))
      else if (kind.wrapped === true) nested(writer, field, () => writeNamed(writer, 1, kind.named, value as Value))
      else writeNamed(writer, field, kind.named, value as Value)
  }
}

function writeMessage(writer: ReverseWriter, name: string, value: unknown): void {
  const own = irregular[name]
  if (own !== undefined) return own(writer, value)
  const message = messages[name] as Message
  const object = value as Value
  const present = Object.entries(object)
  for (const [key, inner] of present.toReversed()) {
    if (message.extensions === undefined || !key.startsWith('x-')) continue
    nested(writer, message.extensions, () => {
      writeAny(writer, 2, inner)
      writer.textField(1, key)
    })
  }
  const fields = present.flatMap(([key, inner]) => {
    const field = Object.hasOwn(message.fields, key) ? message.fields[key] : undefined
    return field === undefined ? [] : [{ number: field[0], kind: field[1], inner }]
  })
  for (const { number, kind, inner } of fields.sort((a, b) => b.number - a.number)) writeField(writer, number, kind, inner)
}

/** An OpenAPI v2 document in gnostic's protobuf form. */
export function encodeOpenapiV2(document: object): Uint8Array {
  const writer = new ReverseWriter(4 * 1024 * 1024)
  writeMessage(writer, 'Document', document)
  return Uint8Array.from(writer.finish())
}

/** An OpenAPI v3 document in gnostic's protobuf form. */
export function encodeOpenapiV3(document: object): Uint8Array {
  const writer = new ReverseWriter(1024 * 1024)
  writeMessage(writer, 'Document3', document)
  return Uint8Array.from(writer.finish())
}

/** A value as block YAML in the layout of Go's yaml.v3, which gnostic writes. */
function yamlOf(value: unknown, indent: string): string {
  if (Array.isArray(value) && value.length > 0) return value.map((item) => `${indent}- ${isBlock(item) ? yamlOf(item, `${indent}  `).slice(indent.length + 2) : yamlOf(item, '')}`).join('')
  if (isJsonObject(value) && Object.keys(value).length > 0) {
    return Object.entries(value).map(([key, child]) => `${indent}${yamlScalar(key)}:${isBlock(child) ? `\n${yamlOf(child, deeper(indent))}` : ` ${yamlOf(child, '')}`}`).join('')
  }
  return `${yamlScalar(value)}\n`
}

/** Maps stand at multiples of four, wherever the one they are in begins. */
function deeper(indent: string): string {
  return ' '.repeat(4 * Math.floor((indent.length + 4) / 4))
}

function isBlock(value: unknown): boolean {
  return (Array.isArray(value) && value.length > 0) || (isJsonObject(value) && Object.keys(value).length > 0)
}

/** Words that YAML reads as something else than the text they are. */
const otherWords = /^(?:~|null|true|false|yes|no|on|off|y|n|[-+.\d].*)$/i

/** Texts that would be read as something else stand in double quotes, as JSON, others that need quotes in single ones. */
function yamlScalar(value: unknown): string {
  if (typeof value !== 'string' || otherWords.test(value)) return JSON.stringify(value)
  if (/^[A-Za-z$./_][\w$./, +-]*$/.test(value) && !value.endsWith(' ')) return value
  return /^[\x20-\x7e]+$/.test(value) ? `'${value.replaceAll("'", "''")}'` : JSON.stringify(value)
}
