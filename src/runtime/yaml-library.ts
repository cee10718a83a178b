import { createRequire } from 'node:module'

type YamlLibrary = typeof import('yaml')

let library: YamlLibrary | undefined

/** The YAML library, loaded when first something is read or written in YAML: a server that starts needs none of its seventy files. */
export function yamlLibrary(): YamlLibrary {
  return (library ??= createRequire(import.meta.url)('yaml') as YamlLibrary)
}
