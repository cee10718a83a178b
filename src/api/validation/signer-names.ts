import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import { addInvalid, isEmpty } from './check.ts'
import { subdomainName } from './object-meta.ts'
import type { NameRule } from './object-meta.ts'

/** Names of those who sign certificates, and of the bundles that say whom to trust. */

const maxSignerNameBytes = 253 + 253 + 63 + 2

/** `example.com/signer-name`. */
export function checkSignerName(out: FieldError[], path: string, name: string | undefined): void {
  if (isEmpty(name)) {
    out.push(fieldErrors.required(path))
    return
  }
  const segments = name.split('/')
  if (segments.length !== 2) {
    out.push(fieldErrors.invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'"))
    return
  }
  const [domain = '', local = ''] = segments
  if (domain.length > 253) out.push(fieldErrors.tooLong(path, 253))
  const firstBad = (text: string, errorsOf: (label: string) => string[]): void => {
    const label = text.split('.').find((part) => errorsOf(part).length > 0)
    if (label !== undefined) addInvalid(out, path, text, errorsOf(label).map((message) => `validating label ${JSON.stringify(label)}: ${message}`))
  }
  firstBad(domain, dnsLabelErrors)
  if (!domain.includes('.')) out.push(fieldErrors.invalid(path, domain, 'should be a domain with at least two segments separated by dots'))
  firstBad(local, dnsSubdomainErrors)
  if (name.length > maxSignerNameBytes) out.push(fieldErrors.tooLong(path, maxSignerNameBytes))
}

/** Bundles of a signer carry its name before their own: `example.com:signer:name`. */
export function trustBundleName(signerName: string): NameRule {
  return (name, prefix) => {
    if (signerName === '') return name.includes(':') ? ['ClusterTrustBundle without signer name must not have ":" in its name'] : subdomainName(name, prefix)
    const required = `${signerName.replaceAll('/', ':')}:`
    if (!name.startsWith(required)) return [`ClusterTrustBundle for signerName ${signerName} must be named with prefix ${required}`]
    return subdomainName(name.slice(required.length), prefix)
  }
}
