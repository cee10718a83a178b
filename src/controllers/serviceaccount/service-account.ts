import { runController, watching } from '../../client/controller.ts'
import { namespaces, serviceAccounts } from '../../client/resources.ts'
import { isReason, StatusError } from '../../machinery/status.ts'
import type { StartController } from '../context.ts'

const name = 'default'

/** Makes the service account `default` in every namespace. */
export const startServiceAccountController: StartController = ({ informers, runtime, client }) => {
  const namespaceInformer = informers.informer(namespaces)
  const accounts = informers.informer(serviceAccounts)
  return runController({
    name: 'service-account-controller', runtime, concurrency: 5,
    sources: [watching(namespaceInformer), watching(accounts, (account, old) => (account === undefined && old?.metadata.name === name ? [old.metadata.namespace ?? ''] : []))],
    async reconcile(namespace) {
      if (namespaceInformer.get(namespace)?.status?.phase === 'Terminating' || namespaceInformer.get(namespace) === undefined || accounts.get(`${namespace}/${name}`) !== undefined) return
      await createUnlessThere(() => client.create(serviceAccounts, { metadata: { name, namespace } }))
    },
  })
}

/** What already stands, and what the namespace's end forbids, is as good as made. */
export async function createUnlessThere(create: () => Promise<unknown>): Promise<void> {
  try {
    await create()
  } catch (error) {
    const ends = error instanceof StatusError && error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true
    if (!ends && !isReason(error, 'AlreadyExists')) throw error
  }
}
