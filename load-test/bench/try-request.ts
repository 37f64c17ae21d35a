import { type Agent, type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { Child } from './children.ts'
import { PATHS } from './request.ts'

const RETRY_MS = 50
const REPLY_TIMEOUT_MS = 5_000

export interface TriedReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One GET, on a connection of its own unless an agent keeps one. */
export const tryRequest = (
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  agent: Agent | false = false,
): Promise<TriedReply> =>
  new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers, agent, timeout: REPLY_TIMEOUT_MS }
    const tried = request(options, (reply) => {
      text(reply).then(
        (body) => resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body }),
        (error: unknown) => reject(error),
      )
    })
    tried.on('timeout', () => tried.destroy(new Error(`no reply in ${REPLY_TIMEOUT_MS} ms`)))
    tried.on('error', reject)
    tried.end()
  })

/**
 * Resolves once a small GET through the port is answered with 200.
 *
 * @throws Error with what the child has said, where it ends before that or takes too long
 */
export const answers = async (port: number, child: Child, timeoutMs: number): Promise<void> => {
  const deadline = performance.now() + timeoutMs
  let end: string | undefined
  void child.ended.then((outcome) => {
    end = outcome
  })
  let last = ''
  while (performance.now() < deadline && end === undefined) {
    try {
      const { status } = await tryRequest(port, PATHS.small)
      if (status === 200) return
      last = `status ${status}`
    } catch (error) {
      last = (error as Error).message
    }
    await delay(RETRY_MS)
  }
  const why = end === undefined ? `does not answer (${last})` : `has ended with ${end}`
  throw new Error(`${child.name} ${why}\n${child.lastLines.join('\n')}`)
}
