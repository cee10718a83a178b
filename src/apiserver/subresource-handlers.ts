import type { AuthenticationOptions } from './authentication/authenticators.ts'
import { tokenRequestHandler } from './authentication/token-request.ts'
import { kubeletClient, type KubeletClientOptions } from './connect/kubelet-client.ts'
import { podLogHandler } from './connect/pod-log.ts'
import { podStreamHandlers } from './connect/pod-streams.ts'
import { proxyHandlers } from './connect/proxy.ts'
import type { ApiServerCore, CorePart } from './core.ts'
import { bindingHandlers } from './pods/binding.ts'
import { evictionHandler } from './pods/eviction.ts'
import { accessReviewHandlers } from './reviews/access-reviews.ts'
import { selfSubjectReviewHandler, tokenReviewHandler } from './reviews/authentication-reviews.ts'
import type { SubresourceHandler } from './subresources.ts'

export interface SubresourceOptions {
  /** The same object that the authenticators were made with. */
  authentication: AuthenticationOptions
  /** How kubelets are called; left out, without a certificate of this server's own. */
  kubelets?: KubeletClientOptions
}

/** Every subresource and virtual resource that is more than reading and writing an object. */
export function subresourceHandlers(options: SubresourceOptions): CorePart<SubresourceHandler>[] {
  const { authentication } = options
  const kubelets = kubeletClient(options.kubelets ?? {})
  const plain = [
    ...bindingHandlers, evictionHandler, ...accessReviewHandlers, selfSubjectReviewHandler,
    ...(authentication.serviceAccounts?.signing === undefined ? [] : [tokenRequestHandler(authentication.serviceAccounts)]),
    ...podStreamHandlers(kubelets), ...proxyHandlers(kubelets),
  ]
  const logs = (core: ApiServerCore): SubresourceHandler => {
    kubelets.follow(core)
    return podLogHandler(kubelets)
  }
  return [...plain.map((handler) => () => handler), logs, (core) => tokenReviewHandler(core, authentication)]
}
