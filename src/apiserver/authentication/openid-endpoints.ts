import type { Endpoints } from '../endpoints.ts'
import { jsonWebKeySet, openIdConfiguration, type ServiceAccountIssuer } from './service-account-issuer.ts'

const hour = 'public, max-age=3600'

/** The documents by which others verify service-account tokens (KEP-1393): `/.well-known/openid-configuration`, `/openid/v1/jwks`. */
export function addOpenIdEndpoints(endpoints: Endpoints, issuer: ServiceAccountIssuer): void {
  if (issuer.jwksUri === '') return
  const configuration = JSON.stringify(openIdConfiguration(issuer))
  const keys = JSON.stringify(jsonWebKeySet(issuer))
  endpoints.addRoute('/.well-known/openid-configuration', () => ({ status: 200, headers: { 'content-type': 'application/json', 'cache-control': hour }, bytes: configuration }), ['application/json'])
  endpoints.addRoute('/openid/v1/jwks', () => ({ status: 200, headers: { 'content-type': 'application/jwk-set+json', 'cache-control': hour }, bytes: keys }), ['application/jwk-set+json'])
}
