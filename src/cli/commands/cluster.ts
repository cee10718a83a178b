import { Command, InvalidArgumentError, Option } from 'commander'
import { systemRuntime } from '../../runtime/runtime.ts'
import { jsonLogger } from '../../runtime/log.ts'
import { table, terminalProgress } from '../terminal.ts'

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, 0 or more, is wanted')
  return value
}

const nameOption = (): Option => new Option('--name <name>', 'which cluster').default('default')

/** Quiet unless asked: what a person at the terminal needs is in the progress lines. */
function runtimeOf(): ReturnType<typeof systemRuntime> {
  return systemRuntime(jsonLogger(process.env['K8TS_DEBUG'] === '1' ? 'debug' : 'silent'))
}

interface UpFlags { name: string; nodes?: number; hollow?: number; config?: string }

async function upCommand(flags: UpFlags): Promise<void> {
  const { up } = await import('../../cluster/up.ts')
  const runtime = runtimeOf()
  const progress = terminalProgress(runtime.clock)
  try {
    const result = await up({ runtime, mainFile: process.argv[1] ?? '', name: flags.name, nodes: flags.nodes, hollow: flags.hollow, configFile: flags.config, progress })
    progress.done(`Cluster "${flags.name}" is ready in ${(result.tookMs / 1000).toFixed(1)} s: ${result.summary}.`)
    progress.note([
      '', 'Next:',
      `  kubectl --context ${result.context} get nodes -o wide`,
      result.canRunImages ? `  ./k8ts demo${flags.name === 'default' ? '' : ` --name ${flags.name}`}      a small web app behind a Service` : `  kubectl --context ${result.context} create deployment web --image=any --replicas=3`,
      `  ./k8ts down${flags.name === 'default' ? '' : ` --name ${flags.name}`}      to remove everything again`,
    ].join('\n'))
  } catch (error) {
    progress.fail()
    throw error
  }
}

/** The commands that make, show and remove clusters on this machine. */
export function addClusterCommands(program: Command): void {
  program.command('up').description('start a cluster, or resume one that was stopped or has crashed').addOption(nameOption())
    .option('--nodes <n>', 'real nodes, each a network namespace with its own containerd (default 1)', wholeNumber)
    .option('--hollow <n>', 'simulated nodes, which run no containers (default 0; 3 where real nodes are impossible)', wholeNumber)
    .option('--config <file>', 'settings: registry mirrors and plain-HTTP registries (default ~/.k8ts/config.yaml)')
    .action(upCommand)

  program.command('down').description('stop a cluster and remove everything of it').addOption(nameOption())
    .option('--keep', 'keep its objects and certificates, so that up resumes it')
    .option('--all', 'every cluster of this user')
    .action(async (flags: { name: string; keep?: boolean; all?: boolean }) => {
      const { down } = await import('../../cluster/down.ts')
      const { listClusters } = await import('../../cluster/status.ts')
      const runtime = runtimeOf()
      const progress = terminalProgress(runtime.clock)
      const names = flags.all === true ? (await listClusters(runtime)).map((cluster) => cluster.name) : [flags.name]
      for (const name of names) {
        progress.step(`Stopping cluster "${name}"`)
        try {
          await down({ runtime, name, keep: flags.keep === true })
        } catch (error) {
          progress.fail()
          throw error
        }
        progress.done(flags.keep === true ? `Cluster "${name}" is stopped; "k8ts up" resumes it.` : `Cluster "${name}" is gone.`)
      }
      if (names.length === 0) progress.note('There is no cluster.')
    })

  program.command('list').description('list the clusters of this user').action(async () => {
    const { listClusters } = await import('../../cluster/status.ts')
    const clusters = await listClusters(runtimeOf())
    if (clusters.length === 0) return console.log('There is no cluster. "k8ts up" starts one.')
    console.log(table(['NAME', 'STATUS', 'NODES', 'HOLLOW', 'SERVER'], clusters.map((c) => [c.name, c.status, String(c.nodes), String(c.hollow), c.server])))
  })

  program.command('status').description('show the parts of a cluster and whether each runs').addOption(nameOption())
    .action(async (flags: { name: string }) => {
      const { clusterStatus } = await import('../../cluster/status.ts')
      const status = await clusterStatus(runtimeOf(), flags.name)
      console.log(table(['PART', 'STATUS', 'PID', 'MEMORY', 'DETAIL'], status.parts.map((p) => [p.name, p.status, p.pid === undefined ? '' : String(p.pid), p.memoryMiB === undefined ? '' : `${p.memoryMiB}Mi`, p.detail])))
      if (!status.healthy) process.exitCode = 1
    })

  program.command('kubeconfig').description('print the kubeconfig of a cluster').addOption(nameOption())
    .option('--path', 'print only where its file is')
    .action(async (flags: { name: string; path?: boolean }) => {
      const { clusterKubeconfig } = await import('../../cluster/status.ts')
      const { path, text } = await clusterKubeconfig(flags.name)
      process.stdout.write(flags.path === true ? `${path}\n` : text)
    })

  program.command('load').description('import a docker or OCI image archive into every node').argument('<archive>', 'IMAGE.tar, as "docker save" or "skopeo copy" write it').addOption(nameOption())
    .action(async (archive: string, flags: { name: string }) => {
      const { loadArchive } = await import('../../cluster/load.ts')
      const runtime = runtimeOf()
      const progress = terminalProgress(runtime.clock)
      progress.step(`Importing ${archive} into the nodes of "${flags.name}"`)
      try {
        const images = await loadArchive({ runtime, name: flags.name, archive })
        progress.done(images.map((image) => `Loaded ${image}`).join('\n'))
      } catch (error) {
        progress.fail()
        throw error
      }
    })

  program.command('demo').description('run a small web app behind a Service and show it answering; nothing is downloaded').addOption(nameOption())
    .option('--remove', 'remove the demo again')
    .action(async (flags: { name: string; remove?: boolean }) => {
      const { runDemo } = await import('../../cluster/demo.ts')
      const runtime = runtimeOf()
      const progress = terminalProgress(runtime.clock)
      try {
        await runDemo({ runtime, name: flags.name, remove: flags.remove === true, progress })
      } catch (error) {
        progress.fail()
        throw error
      }
    })
}
