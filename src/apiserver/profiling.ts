import { errors } from '../machinery/status.ts'
import type { Clock } from '../runtime/clock.ts'
import type { ServerRequest, ServerResponse } from './context.ts'
import type { Endpoints } from './endpoints.ts'

const defaultSeconds = 30
/** Longer ones would not end before their request does. */
const maxSeconds = 50

const index = `/debug/pprof/
profile?seconds=N   where processor time goes, as V8 sees it (.cpuprofile: open it in a browser's developer tools); ${defaultSeconds} seconds when left out
heap?seconds=N      what is allocated meanwhile, sampled (.heapprofile); 5 seconds when left out
`

/**
 * /debug/pprof as far as this runtime has something to show: profiles in V8's own formats. There are no goroutines, locks or Go symbols. One
 * profile is taken at a time; who may read it is for RBAC to say, as of every path.
 */
export function addProfilingEndpoints(endpoints: Endpoints, clock: Clock): void {
  let isBusy = false
  const alone = async (work: () => Promise<ServerResponse>): Promise<ServerResponse> => {
    if (isBusy) throw errors.tooManyRequests('another profile is being taken; try again when it is done', 1)
    isBusy = true
    try {
      return await work()
    } finally {
      isBusy = false
    }
  }
  const page = (): ServerResponse => ({ status: 200, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, bytes: index })
  endpoints.addUnlisted('/debug/pprof/', page)
  endpoints.addUnlisted('/debug/pprof', () => ({ status: 302, headers: { location: '/debug/pprof/' }, bytes: '' }))
  endpoints.addUnlisted('/debug/pprof/profile', (request) => alone(async () => download('cpuprofile', await record(clock, request, 'Profiler', defaultSeconds))))
  endpoints.addUnlisted('/debug/pprof/heap', (request) => alone(async () => download('heapprofile', await record(clock, request, 'HeapProfiler', 5))))
}

function download(extension: string, profile: object): ServerResponse {
  return { status: 200, headers: { 'content-type': 'application/json', 'content-disposition': `attachment; filename="profile.${extension}"` }, bytes: JSON.stringify(profile) }
}

async function record(clock: Clock, request: ServerRequest, domain: 'Profiler' | 'HeapProfiler', fallbackSeconds: number): Promise<object> {
  const asked = request.query.get('seconds') ?? ''
  const seconds = asked === '' ? fallbackSeconds : Number(asked)
  if (!(seconds > 0 && seconds <= maxSeconds)) throw errors.badRequest(`seconds must be a number from 0 to ${maxSeconds}, not ${JSON.stringify(asked)}`)
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  session.connect()
  try {
    if (domain === 'Profiler') {
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
      await clock.sleep(seconds * 1000, request.signal)
      return (await session.post('Profiler.stop')).profile
    }
    await session.post('HeapProfiler.enable')
    await session.post('HeapProfiler.startSampling')
    await clock.sleep(seconds * 1000, request.signal)
    return (await session.post('HeapProfiler.stopSampling')).profile
  } finally {
    session.disconnect()
  }
}
