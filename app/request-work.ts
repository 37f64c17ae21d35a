import type { FastifyReply, FastifyRequest } from 'fastify'
import { DEADLINE_FIELD, parseDeadlineMs } from '#shared/deadline.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborts, with {@link WorkInVain}, once nobody waits for the reply any more: for all that is done for it. */
    work: AbortSignal
  }
}

/** Nobody waits for the reply: its deadline has come, or whoever asked has left. */
export class WorkInVain extends Error {
  override readonly name = 'WorkInVain'
}

/** What is kept of the time for the reply to come back in it: a tenth, and no more than this. */
const REPLY_LIMIT_MS = 100
/** More than a timer takes. */
const LONGEST_MS = 2 ** 31 - 1

/** How long the work may take for a reply that must be there in `leftMs`. */
export const workMs = (leftMs: number): number =>
  Math.min(LONGEST_MS, Math.max(0, Math.floor(leftMs - Math.min(leftMs / 10, REPLY_LIMIT_MS))))

/** Of server-sent events, only the head had to be there in time. */
const isStreaming = ({ raw }: FastifyReply): boolean =>
  raw.headersSent && String(raw.getHeader('content-type')).startsWith('text/event-stream')

/** Has the request's work end by the deadline that it came with, and with its connection. */
export const limitWork = (request: FastifyRequest, reply: FastifyReply): void => {
  const controller = new AbortController()
  request.work = controller.signal
  const said = request.headers[DEADLINE_FIELD]
  const leftMs = parseDeadlineMs(typeof said === 'string' ? said : undefined)
  const timer =
    leftMs === undefined
      ? undefined
      : setTimeout(() => {
          if (!isStreaming(reply)) controller.abort(new WorkInVain(`${leftMs} ms were left for the reply`))
        }, workMs(leftMs))
  reply.raw.once('close', () => {
    clearTimeout(timer)
    if (!reply.raw.writableFinished) controller.abort(new WorkInVain('who asked has left'))
  })
}
