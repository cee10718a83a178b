import type { Secret } from '../api/types/core_v1.ts'
import type { RegistryAuth } from './container-runtime.ts'
import { parseImageName } from './image-names.ts'

interface DockerAuth { username?: string; password?: string; auth?: string; identitytoken?: string; registrytoken?: string }

function authsOf(secret: Secret): Record<string, DockerAuth> {
  const { data = {}, type } = secret
  const text = data['.dockerconfigjson'] ?? data['.dockercfg']
  if (text === undefined) return {}
  const parsed = JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as { auths?: Record<string, DockerAuth> } & Record<string, DockerAuth>
  return type === 'kubernetes.io/dockercfg' ? parsed : (parsed.auths ?? {})
}

function credential(auth: DockerAuth, serverAddress: string): RegistryAuth {
  const decoded = auth.auth === undefined ? '' : Buffer.from(auth.auth, 'base64').toString('utf8')
  const colon = decoded.indexOf(':')
  const username = auth.username ?? (colon < 0 ? '' : decoded.slice(0, colon))
  const password = auth.password ?? (colon < 0 ? '' : decoded.slice(colon + 1))
  return { username, password, serverAddress, identityToken: auth.identitytoken ?? '', registryToken: auth.registrytoken ?? '' }
}

const globPart = (pattern: string, text: string): boolean => new RegExp(`^${pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^.]*').replaceAll('?', '[^.]')}$`).test(text)

/** Whether an entry of a docker configuration (`https://index.docker.io/v1/`, `*.example.com/team`) speaks of the repository. */
function matches(entry: string, repository: string): boolean {
  const bare = entry.replace(/^https?:\/\//, '').replace(/\/v[12]\/?$/, '').replace(/\/$/, '')
  const normal = bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare
  const [host = '', ...path] = normal.split('/')
  const [wantedHost = '', ...wantedPath] = repository.split('/')
  const [name = '', port] = host.split(':')
  const [wantedName = '', wantedPort] = wantedHost.split(':')
  const parts = name.split('.')
  const wantedParts = wantedName.split('.')
  if (port !== wantedPort || parts.length !== wantedParts.length) return false
  return parts.every((part, at) => globPart(part, wantedParts[at]!)) && path.every((part, at) => wantedPath[at] === part)
}

/** The credentials of pull secrets that fit the image, the most specific first. A secret that can't be read has none. */
export function registryCredentials(secrets: readonly Secret[], image: string): RegistryAuth[] {
  const { repository } = parseImageName(image)
  const found: { entry: string; auth: RegistryAuth }[] = []
  for (const secret of secrets) {
    let auths: Record<string, DockerAuth>
    try {
      auths = authsOf(secret)
    } catch {
      // Not a docker configuration: as upstream, the secret then counts for nothing and the pull tells what is missing.
      continue
    }
    for (const [entry, auth] of Object.entries(auths)) if (matches(entry, repository)) found.push({ entry, auth: credential(auth, entry) })
  }
  return found.sort((a, b) => b.entry.length - a.entry.length).map(({ auth }) => auth)
}
