import type { StorageOptions } from '../apiserver/storage.ts'
import { readFlagFile, type ApiServerSettings } from './apiserver-options.ts'
import { FlagError } from './flags.ts'
import { pathsUnder } from './paths.ts'

/** Where the server keeps its state: `--etcd-*`, else the embedded store below `--data-dir`. */
export async function storageOptions({ flags }: ApiServerSettings): Promise<StorageOptions> {
  const compactEveryMs = flags['etcd-compaction-interval']
  const endpoints = flags['etcd-servers'].map((each) => (each.includes('://') ? each : `http://${each}`))
  if (endpoints.length === 0) {
    if (flags['etcd-prefix'] !== '/registry') throw new FlagError('--etcd-prefix needs --etcd-servers; the embedded store belongs to one server')
    return { driver: 'lmdb', path: pathsUnder(flags['data-dir']).store, compactEveryMs }
  }
  const prefix = `/${flags['etcd-prefix'].replaceAll(/^\/+|\/+$/g, '')}`
  if (prefix === '/') throw new FlagError('--etcd-prefix must name a folder like /registry')
  const tls = await etcdTls(flags, endpoints.some((each) => each.startsWith('https:')))
  return { driver: 'etcd', endpoints, prefix, compactEveryMs, ...(tls === undefined ? {} : { tls }) }
}

async function etcdTls(flags: ApiServerSettings['flags'], isSecure: boolean): Promise<{ ca: string; cert?: string; key?: string } | undefined> {
  if ((flags['etcd-certfile'] === '') !== (flags['etcd-keyfile'] === '')) throw new FlagError('--etcd-certfile and --etcd-keyfile belong together')
  if (!isSecure) return undefined
  if (flags['etcd-cafile'] === '') throw new FlagError('--etcd-servers with https needs --etcd-cafile, the authority of etcd\'s certificate')
  const ca = await readFlagFile('etcd-cafile', flags['etcd-cafile'])
  if (flags['etcd-certfile'] === '') return { ca }
  return { ca, cert: await readFlagFile('etcd-certfile', flags['etcd-certfile']), key: await readFlagFile('etcd-keyfile', flags['etcd-keyfile']) }
}
