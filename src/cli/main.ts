import { Command, CommanderError } from 'commander'
import { addClusterCommands } from './commands/cluster.ts'
import { addComponentCommands } from './commands/components.ts'
import { trustReaders } from '../machinery/object.ts'
import { version } from './version.ts'

/** The command line. Commands load what they need when they run, so that `k8ts --help` is quick. */
export function buildProgram(): Command {
  const program = new Command('k8ts')
    .description('Kubernetes, whole, in TypeScript: a real cluster on this machine, without Docker or a VM.')
    .version(version, '-v, --version')
    .showSuggestionAfterError()
    .enablePositionalOptions()
  addClusterCommands(program)
  addComponentCommands(program)
  return program
}

/** One sentence for the person; the chain of causes and the stack only with `K8TS_DEBUG=1`. */
function report(error: unknown): void {
  if (process.env['K8TS_DEBUG'] === '1') return console.error(error)
  const lines: string[] = []
  for (let each: unknown = error; each !== undefined && lines.length < 6; each = each instanceof Error ? each.cause : undefined) {
    const text = each instanceof Error ? each.message : String(each)
    if (!lines.some((line) => line.includes(text))) lines.push(text)
  }
  console.error(`k8ts: ${lines.join('\n  because: ')}`)
}

if (import.meta.main) {
  trustReaders()
  try {
    await buildProgram().parseAsync()
  } catch (error) {
    if (!(error instanceof CommanderError)) report(error)
    process.exitCode = error instanceof CommanderError ? error.exitCode : 1
  }
}
