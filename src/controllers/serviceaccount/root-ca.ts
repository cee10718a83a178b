import { runController, watching } from '../../client/controller.ts'
import { configMaps, namespaces } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import type { StartController } from '../context.ts'
import { createUnlessThere } from './service-account.ts'

const name = 'kube-root-ca.crt'
const description = 'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. '
  + 'No other usage is guaranteed across distributions of Kubernetes clusters.'

/** Publishes the cluster's CA (PEM) in every namespace, in the ConfigMap that service-account volumes mount. */
export function rootCaPublisher(caPem: string): StartController {
  return ({ informers, runtime, client }) => {
    const namespaceInformer = informers.informer(namespaces)
    const published = informers.informer(configMaps, { fieldSelector: `metadata.name=${name}` })
    return runController({
      name: 'root-ca-certificate-publisher', runtime, concurrency: 5,
      sources: [watching(namespaceInformer), watching(published, (map, old) => [(map ?? old)!.metadata.namespace ?? ''])],
      async reconcile(namespace) {
        const owner = namespaceInformer.get(namespace)
        if (owner === undefined || owner.status?.phase === 'Terminating') return
        const data = { 'ca.crt': caPem }
        const annotations = { 'kubernetes.io/description': description }
        const current = published.get(`${namespace}/${name}`)
        if (current === undefined) return createUnlessThere(() => client.create(configMaps, { metadata: { name, namespace, annotations }, data }))
        if (semanticEqual(current.data, data) && current.metadata.annotations?.['kubernetes.io/description'] === description) return
        await client.update(configMaps, { ...current, metadata: { ...current.metadata, annotations: { ...current.metadata.annotations, ...annotations } }, data })
      },
    })
  }
}
