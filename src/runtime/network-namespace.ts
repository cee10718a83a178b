import type { Processes } from './process.ts'

/** The same processes, each inside the network namespace at `path` (`/run/netns/NAME`, `/proc/PID/ns/net`). Everything else, /sys too, is as outside. */
export function processesInNetwork(path: string, processes: Processes): Processes {
  const entering = (command: string, args: readonly string[]): string[] => [`--net=${path}`, '--', command, ...args]
  return {
    run: (command, args, options) => processes.run('nsenter', entering(command, args), options),
    start: (command, args, options) => processes.start('nsenter', entering(command, args), options),
  }
}
