import { X509Certificate } from 'node:crypto'
import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors, portNumberErrors } from '../../machinery/names.ts'
import { isEmpty } from './check.ts'
import { pemBlocks } from './pem.ts'

/** Where webhooks are, for those of admission and of conversion (apiserver's `pkg/util/webhook`). */
const urlForm = '; desired format: https://host[/path]'

export function checkUrl(out: FieldError[], path: string, text: string): void {
  const parts = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/(?:([^/?#]*)@)?([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/.exec(text)
  if (parts === null || /[\x00-\x1f\x7f]/.test(text)) {
    out.push(fieldErrors.required(path, `url must be a valid URL: parse ${JSON.stringify(text)}: net/url: invalid control character in URL${urlForm}`))
    return
  }
  const [, scheme = '', user, host = '', query = '', fragment = ''] = parts
  if (scheme.toLowerCase() !== 'https') out.push(fieldErrors.invalid(path, scheme, `'https' is the only allowed URL scheme${urlForm}`))
  if (host === '') out.push(fieldErrors.invalid(path, host, `host must be specified${urlForm}`))
  if (user !== undefined) out.push(fieldErrors.invalid(path, user, 'user information is not permitted in the URL'))
  if (fragment !== '') out.push(fieldErrors.invalid(path, fragment, 'fragments are not permitted in the URL'))
  if (query !== '') out.push(fieldErrors.invalid(path, query, 'query parameters are not permitted in the URL'))
}

function checkServicePath(out: FieldError[], path: string, value: string): void {
  if (value === '' || value === '/') return
  if (value === '//') {
    out.push(fieldErrors.invalid(path, value, 'segment[0] may not be empty'))
    return
  }
  if (!value.startsWith('/')) out.push(fieldErrors.invalid(path, value, "must start with a '/'"))
  for (const [i, step] of value.slice(1).replace(/\/$/, '').split('/').entries()) {
    if (step === '') out.push(fieldErrors.invalid(path, value, `segment[${i}] may not be empty`))
    else for (const message of dnsSubdomainErrors(step)) out.push(fieldErrors.invalid(path, value, `segment[${i}]: ${message}`))
  }
}

export function checkWebhookService(out: FieldError[], path: string, service: Readonly<{ name?: string; namespace?: string; path?: string; port?: number }>): void {
  // Upstream hands the two over in the wrong order, so that each is missed where the other is.
  if (isEmpty(service.namespace)) out.push(fieldErrors.required(`${path}.name`))
  if (isEmpty(service.name)) out.push(fieldErrors.required(`${path}.namespace`))
  const messages = portNumberErrors(service.port ?? 0)
  if (messages.length > 0) out.push(fieldErrors.invalid(`${path}.port`, service.port ?? 0, `port is not valid: ${messages.join(', ')}`))
  if (service.path !== undefined) checkServicePath(out, `${path}.path`, service.path)
}

/** The text of a bundle's first fault; undefined where it has a certificate to trust. */
function bundleProblem(pem: string): string | undefined {
  const blocks = pemBlocks(pem)
  if (blocks.length === 0) return 'unable to parse bytes as PEM block'
  for (const block of blocks.filter(({ type }) => type === 'CERTIFICATE')) {
    try {
      if (new X509Certificate(block.bytes).raw.length > 0) return undefined
    } catch {
      return 'failed to parse certificate: x509: malformed certificate'
    }
  }
  return 'no valid certificate authority data seen'
}

/** `bundle`: base64 of PEM, as it stands in the object. */
export function checkCaBundle(bundle: string, path: string): FieldError[] {
  if (bundle === '') return []
  const problem = bundleProblem(Buffer.from(bundle, 'base64').toString('latin1'))
  return problem === undefined ? [] : [fieldErrors.invalid(path, bundle, `unable to load root certificates: ${problem}`)]
}
