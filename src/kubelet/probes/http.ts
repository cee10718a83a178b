import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Clock } from '../../runtime/clock.ts'
import { dialErrorText } from '../go-text.ts'
import { request as httpRequest } from '../../runtime/node-http.ts'

export interface HttpAnswer { status: number; body: string; location?: string }

const maxBodyBytes = 10 * 1024

/** One GET. Certificates are not verified, as upstream's probes and hooks don't. Rejects with Go's wording. */
export function httpGet(url: URL, headers: Readonly<Record<string, string>>, timeoutMs: number, clock: Clock): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const limit = new AbortController()
    const timer = clock.timer(timeoutMs, () => limit.abort(new Error('timed out')), { background: true })
    const fail = (error: NodeJS.ErrnoException): void => {
      timer[Symbol.dispose]()
      const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
      const reason = limit.signal.aborted ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        : error.syscall === 'connect' ? `dial tcp ${url.hostname}:${port}: ${dialErrorText(error)}` : error.code === 'ECONNRESET' ? 'EOF' : error.message
      reject(new Error(`Get "${url.href}": ${reason}`, { cause: error }))
    }
    const onAnswer = (answer: IncomingMessage): void => {
      const chunks: Buffer[] = []
      let length = 0
      const finish = (): void => {
        timer[Symbol.dispose]()
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8').slice(0, maxBodyBytes), ...(answer.headers.location === undefined ? {} : { location: answer.headers.location }) })
      }
      answer.on('data', (chunk: Buffer) => {
        length += chunk.length
        chunks.push(chunk)
        if (length < maxBodyBytes) return
        finish()
        answer.destroy()
      })
      answer.on('end', finish)
      answer.on('error', fail)
    }
    const options = { headers, signal: limit.signal, agent: false as const }
    const sent = url.protocol === 'https:' ? httpsRequest(url, { ...options, rejectUnauthorized: false }, onAnswer) : httpRequest(url, options, onAnswer)
    sent.on('error', fail)
    sent.end()
  })
}
