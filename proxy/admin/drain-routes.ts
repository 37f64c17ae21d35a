import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import type { InFlight } from '#shared/drain.ts'
import type { Logger } from '#shared/log.ts'
import { audit } from './audit.ts'

/** What can be drained: this process, or all of its workers. */
export interface Drainable {
  begin(reason: string): void
  readonly phase: string
  inFlight(): InFlight
  /** `settle` is waited for between the end of the last exchange and the end of the process. */
  onDrained(settle: () => Promise<void>): void
}

/** For the last replies to reach the kernel; nobody is waited for who does not read. */
const SETTLE_LIMIT_MS = 1_000

/**
 * Draining, for preStop hooks:
 *
 *     POST /drain          begins it, as SIGTERM does
 *     GET  /drain          how far it is
 *     GET  /drain?wait=1   the same, once it is done
 */
export const drainRoutes = (admin: FastifyInstance, drainable: Drainable, log: Logger): void => {
  // Small clients of preStop hooks cannot send a POST without a body and its type: it is nothing to us.
  admin.removeAllContentTypeParsers()
  admin.addContentTypeParser('*', (_request, body, done) => {
    body.resume()
    done(null)
  })
  const waiting = new Set<FastifyReply>()
  const progress = () => ({ phase: drainable.phase, inFlight: drainable.inFlight() })

  drainable.onDrained(async () => {
    const ended = [...waiting].map((reply) => {
      const closed = once(reply.raw, 'close')
      reply.send({ ...progress(), phase: 'drained' })
      return closed
    })
    await Promise.race([Promise.allSettled(ended), delay(SETTLE_LIMIT_MS, undefined, { ref: false })])
  })

  admin.post('/drain', { schema: { operationId: 'drain' }, config: { role: 'operate' } }, (request, reply) => {
    const { phase } = drainable
    audit(log, request, 'drain asked for', { from: phase })
    drainable.begin(`POST /drain by ${request.caller.name}`)
    return reply.status(202).send(progress())
  })

  admin.get<{ Querystring: { wait?: '1' } }>(
    '/drain',
    { schema: { operationId: 'getDrain', querystring: waitQuery }, config: { role: 'read' } },
    (request, reply) => {
      if (request.query.wait === undefined || drainable.phase === 'drained') return reply.send(progress())
      waiting.add(reply)
      reply.raw.once('close', () => waiting.delete(reply))
      // The reply is kept, and sent at the end; to return it unsent is Fastify's sign for that.
      return reply
    },
  )
}

const waitQuery = z.strictObject({ wait: z.literal('1', 'expected wait=1').optional() })
