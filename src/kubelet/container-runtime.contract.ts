import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { isNotFound, type ContainerConfig, type ContainerRuntime, type SandboxConfig } from './container-runtime.ts'

/** A runtime under test, with an image that has a shell. `waitFor` lets what the runtime does in the background happen. */
export interface ContractSubject extends AsyncDisposable {
  runtime: ContainerRuntime
  image: string
  cgroupParent: string
  waitFor(what: () => Promise<boolean>): Promise<void>
}

/** What the kubelet relies on; every ContainerRuntime passes it. */
export function containerRuntimeContract(name: string, start: () => Promise<ContractSubject>, skip?: string): void {
  describe(`container runtime contract: ${name}`, { skip: skip ?? false, timeout: 120_000 }, () => {
    let subject: ContractSubject
    let runtime: ContainerRuntime
    let logs: string
    before(async () => {
      subject = await start()
      runtime = subject.runtime
      logs = await mkdtemp(join(tmpdir(), 'k8ts-contract-'))
    })
    after(async () => {
      await subject?.[Symbol.asyncDispose]()
      if (logs !== undefined) await rm(logs, { recursive: true, force: true })
    })
    const sandboxConfig = (podName: string): SandboxConfig => ({
      metadata: { name: podName, uid: `uid-${podName}`, namespace: 'default', attempt: 0 }, hostname: podName, logDirectory: logs, labels: { app: podName }, annotations: {},
      linux: { cgroupParent: subject.cgroupParent, securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } } },
    })
    const container = (containerName: string, ...command: string[]): ContainerConfig => ({
      metadata: { name: containerName, attempt: 0 }, image: { image: subject.image }, command, labels: { container: containerName }, annotations: { note: 'n' }, logPath: `${containerName}.log`,
      linux: { resources: { oomScoreAdj: 100, cpuShares: 2 }, securityContext: { namespaceOptions: { pid: 'CONTAINER' } } },
    })
    const start1 = async (sandbox: SandboxConfig, config: ContainerConfig): Promise<{ sandboxId: string; id: string }> => {
      const sandboxId = await runtime.runPodSandbox(sandbox)
      const id = await runtime.createContainer(sandboxId, config, sandbox)
      await runtime.startContainer(id)
      return { sandboxId, id }
    }
    const exited = (id: string): Promise<void> => subject.waitFor(async () => (await runtime.containerStatus(id)).state === 'CONTAINER_EXITED')
    const discard = async (sandboxId: string): Promise<void> => {
      await runtime.stopPodSandbox(sandboxId)
      await runtime.removePodSandbox(sandboxId)
    }

    it('says what it is and that it is ready', async () => {
      assert.notEqual((await runtime.version()).runtimeVersion, '')
      const ready = (await runtime.status()).find((condition) => condition.type === 'RuntimeReady')
      assert.equal(ready?.status, true)
    })
    it('runs a sandbox with an address, lists it, stops it and removes it', async () => {
      const id = await runtime.runPodSandbox(sandboxConfig('sandbox'))
      const status = await runtime.podSandboxStatus(id)
      assert.equal(status.state, 'SANDBOX_READY')
      assert.match(status.network?.ip ?? '', /^\d+\.\d+\.\d+\.\d+$/)
      assert.deepEqual(status.metadata, { name: 'sandbox', uid: 'uid-sandbox', namespace: 'default', attempt: 0 })
      assert.ok((await runtime.listPodSandboxes()).some((sandbox) => sandbox.id === id && sandbox.labels.app === 'sandbox'))
      await runtime.stopPodSandbox(id)
      assert.equal((await runtime.podSandboxStatus(id)).state, 'SANDBOX_NOTREADY')
      await runtime.removePodSandbox(id)
      await assert.rejects(runtime.podSandboxStatus(id), (error) => isNotFound(error))
      assert.deepEqual(await runtime.listPodSandboxes({ id }), [])
    })
    it('refuses a container whose image is not there', async () => {
      const sandbox = sandboxConfig('no-image')
      const sandboxId = await runtime.runPodSandbox(sandbox)
      await assert.rejects(runtime.createContainer(sandboxId, { ...container('c', 'true'), image: { image: 'docker.io/library/absent:1' } }, sandbox), /rpc error: code = /)
      assert.equal(await runtime.imageStatus('docker.io/library/absent:1'), undefined)
      await discard(sandboxId)
    })
    it('keeps the exit code, the times and the output of a container that ends', async () => {
      const { sandboxId, id } = await start1(sandboxConfig('ends'), container('ends', 'sh', '-c', 'echo hello; exit 3'))
      await exited(id)
      const status = await runtime.containerStatus(id)
      assert.equal(status.exitCode, 3)
      assert.equal(status.reason, 'Error')
      assert.ok(status.startedAt > 0 && status.finishedAt > 0)
      assert.deepEqual(status.labels, { container: 'ends' })
      assert.match(await readFile(join(logs, 'ends.log'), 'utf8'), / stdout F hello\n$/)
      await discard(sandboxId)
    })
    it('stops a running container within its grace period', async () => {
      const { sandboxId, id } = await start1(sandboxConfig('stops'), container('stops', 'sleep', '1000'))
      assert.equal((await runtime.containerStatus(id)).state, 'CONTAINER_RUNNING')
      await runtime.stopContainer(id, 0)
      assert.equal((await runtime.containerStatus(id)).state, 'CONTAINER_EXITED')
      assert.equal((await runtime.containerStatus(id)).exitCode, 137)
      await runtime.removeContainer(id)
      await assert.rejects(runtime.containerStatus(id), (error) => isNotFound(error))
      await discard(sandboxId)
    })
    it('fails to start a command that is not there', async () => {
      const sandbox = sandboxConfig('no-command')
      const sandboxId = await runtime.runPodSandbox(sandbox)
      const id = await runtime.createContainer(sandboxId, container('c', '/absent'), sandbox)
      await assert.rejects(runtime.startContainer(id), /no such file or directory/)
      await discard(sandboxId)
    })
    it('runs a command in a container and tells its output and exit code', async () => {
      const { sandboxId, id } = await start1(sandboxConfig('exec'), container('exec', 'sleep', '1000'))
      const result = await runtime.execSync(id, ['sh', '-c', 'echo out; echo err >&2; exit 7'], 10)
      assert.deepEqual([result.stdout.toString(), result.stderr.toString(), result.exitCode], ['out\n', 'err\n', 7])
      assert.match(await runtime.exec(id, ['true'], { stdin: false, stdout: true, stderr: true, tty: false }), /^http:\/\//)
      await discard(sandboxId)
    })
    it('lists containers by sandbox and removes them with it', async () => {
      const { sandboxId, id } = await start1(sandboxConfig('lists'), container('lists', 'sleep', '1000'))
      assert.deepEqual((await runtime.listContainers({ podSandboxId: sandboxId })).map((item) => item.id), [id])
      await discard(sandboxId)
      assert.deepEqual(await runtime.listContainers({ podSandboxId: sandboxId }), [])
    })
    it('forgives stopping and removing what is gone', async () => {
      await runtime.stopContainer('0'.repeat(64), 1)
      await runtime.removeContainer('0'.repeat(64))
      await runtime.stopPodSandbox('0'.repeat(64))
      await runtime.removePodSandbox('0'.repeat(64))
    })
    it('lists its images', async () => {
      assert.ok((await runtime.listImages()).some((image) => image.repoTags.includes(subject.image)))
      assert.ok(((await runtime.imageStatus(subject.image))?.size ?? 0) > 0)
    })
  })
}
