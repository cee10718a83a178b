import { proxyBackendContract } from '../proxy-backend.contract.ts'
import { iptablesBackend } from './iptables-backend.ts'

proxyBackendContract('iptables', iptablesBackend, async (node) => {
  const { stdout } = await node.processes.run('iptables-save', [])
  return stdout.split('\n').filter((line) => line.includes('KUBE-')).join('\n')
})
