const domain = '(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?'
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const pattern = new RegExp(`^((?:${domain}/)?${component}(?:/${component})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`)

export interface ImageName { /** With its registry: `docker.io/library/busybox`. */ repository: string; registry: string; tag?: string; digest?: string }

/** Splits an image name and fills in what short names leave out. Throws on what is no image name, with the reference library's texts. */
export function parseImageName(text: string): ImageName {
  const fail = (why: string): never => {
    throw new Error(`couldn't parse image name "${text}": ${why}`)
  }
  const match = pattern.exec(text)
  if (match === null) return fail(pattern.test(text.toLowerCase()) ? 'invalid reference format: repository name must be lowercase' : 'invalid reference format')
  const [, name = '', tag, digest] = match
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const hasRegistry = slash >= 0 && (first.includes('.') || first.includes(':') || first === 'localhost' || first.toLowerCase() !== first)
  const registry = hasRegistry ? (first === 'index.docker.io' ? 'docker.io' : first) : 'docker.io'
  const path = hasRegistry ? name.slice(slash + 1) : name
  if (path.toLowerCase() !== path) return fail('invalid reference format: repository name must be lowercase')
  const repository = `${registry}/${registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path}`
  return { repository, registry, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) }
}

/** The full name that the runtime is asked for: `busybox` is `docker.io/library/busybox:latest`. */
export function normalisedImageName(text: string): string {
  const { repository, tag, digest } = parseImageName(text)
  return `${repository}${tag === undefined && digest === undefined ? ':latest' : ''}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}
