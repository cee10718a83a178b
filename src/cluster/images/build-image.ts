import { createHash } from 'node:crypto'
import { tarArchive, type TarEntry } from './tar.ts'

/** An image of one layer. */
export interface ImageSpec {
  /** With its tag: `k8ts.local/demo:v1`. */
  name: string
  files: readonly TarEntry[]
  entrypoint?: readonly string[]
  cmd?: readonly string[]
  env?: Record<string, string>
  user?: string
  workingDir?: string
  /** `80/tcp` */
  exposedPorts?: readonly string[]
  labels?: Record<string, string>
  /** As Go names it; by default this machine's. */
  architecture?: string
}

const goArchitecture: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', ia32: '386', loong64: 'loong64' }

interface Blob { descriptor: { mediaType: string; digest: string; size: number }; content: Uint8Array }

function blob(mediaType: string, content: Uint8Array): Blob {
  return { descriptor: { mediaType, digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, size: content.length }, content }
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/**
 * An archive in the OCI image layout (image-spec v1), with the image's full name where containerd looks for it, and with Docker's
 * manifest beside it. The same spec makes the same bytes.
 */
export function buildImage(spec: ImageSpec): Buffer {
  const layer = blob('application/vnd.oci.image.layer.v1.tar', tarArchive(spec.files))
  const architecture = spec.architecture ?? goArchitecture[process.arch] ?? process.arch
  const config = blob('application/vnd.oci.image.config.v1+json', json({
    created: '1970-01-01T00:00:00Z', architecture, os: 'linux',
    config: {
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.exposedPorts === undefined ? {} : { ExposedPorts: Object.fromEntries(spec.exposedPorts.map((port) => [port, {}])) }),
      Env: Object.entries({ PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...spec.env }).map(([name, value]) => `${name}=${value}`),
      ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
      ...(spec.cmd === undefined ? {} : { Cmd: spec.cmd }),
      WorkingDir: spec.workingDir ?? '/',
      ...(spec.labels === undefined ? {} : { Labels: spec.labels }),
    },
    rootfs: { type: 'layers', diff_ids: [layer.descriptor.digest] },
  }))
  const manifest = blob('application/vnd.oci.image.manifest.v1+json', json({
    schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json', config: config.descriptor, layers: [layer.descriptor],
  }))
  const tag = spec.name.slice(spec.name.lastIndexOf(':') + 1)
  const index = json({
    schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{
      ...manifest.descriptor, platform: { architecture, os: 'linux' },
      annotations: { 'io.containerd.image.name': spec.name, 'org.opencontainers.image.ref.name': tag },
    }],
  })
  const pathOf = ({ descriptor }: Blob): string => `blobs/sha256/${descriptor.digest.slice('sha256:'.length)}`
  const docker = json([{ Config: pathOf(config), RepoTags: [spec.name], Layers: [pathOf(layer)] }])
  const file = (path: string, content: Uint8Array): TarEntry => ({ path, type: 'file', content })
  return tarArchive([
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    file('index.json', index),
    file('manifest.json', docker),
    { path: 'blobs', type: 'directory' },
    { path: 'blobs/sha256', type: 'directory' },
    ...[layer, config, manifest].map((each) => file(pathOf(each), each.content)),
  ])
}
