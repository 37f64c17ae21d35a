import type { FastifyRequest } from 'fastify'
import type { Logger } from '#shared/log.ts'
import { peerAddress } from '../facts/client-address.ts'

/** One line for each change of state: who, from where, what, and the ID by which they can find it. */
export const audit = (
  log: Logger,
  { caller, id, socket }: FastifyRequest,
  action: string,
  details: Readonly<Record<string, unknown>>,
): void => {
  const who = { author: caller.name, clientAddress: peerAddress(socket.remoteAddress), correlationId: id }
  log.info({ audit: action, ...who, ...details }, action)
}
