import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Logger } from '#shared/log.ts'
import type { CircuitMode, CircuitOrder } from '../state/circuits/circuit-breaker.ts'
import type { CircuitReport } from '../state/circuits/circuits.ts'
import { audit } from './audit.ts'
import { orderReason, orderSeconds } from './order-fields.ts'
import { refuse } from './refuse.ts'

/** The circuits of this instance, in one process or several: each has its own. */
export interface CircuitControl {
  list(): readonly (CircuitReport & { readonly instance: string })[]
  /** @returns how many processes are told; 0 where none has such a circuit */
  order(name: string, order: CircuitOrder, seconds?: number): number
}

interface OrderDetails {
  readonly reason?: string
  readonly seconds?: number
}

/**
 * The circuits, by the operations that they are of:
 *
 *     GET  /api/circuits               how they are
 *     PUT  /api/circuits/:name         {"mode": "open" | "closed" | "auto", "reason": …, "seconds": …}
 *     POST /api/circuits/:name/reset   closed, by itself, with nothing counted
 *
 * An order is for all processes of this instance, and for no other instance: the app beside that is another one. It ends
 * with the instance, if not after its seconds, and not with the operation: that may be watched again.
 */
export const circuitRoutes = (admin: FastifyInstance, circuits: CircuitControl, log: Logger): void => {
  admin.get('/api/circuits', { schema: { operationId: 'listCircuits' }, config: { role: 'read' } }, (_request, reply) =>
    reply.send({ circuits: circuits.list() }),
  )

  const order = (reply: FastifyReply, name: string, what: CircuitOrder, more: OrderDetails = {}): FastifyReply => {
    const processes = circuits.order(name, what, more.seconds)
    if (processes === 0) {
      const known = [...new Set(circuits.list().map((circuit) => circuit.name))].join(', ')
      const detail = `There is no circuit "${name}"; there are: ${known === '' ? 'none' : known}.`
      return refuse(reply, 404, 'Not Found', detail)
    }
    audit(log, reply.request, 'circuit ordered', { operation: name, order: what, ...more, processes })
    return reply.send({ name, order: what, processes })
  }

  admin.put<{ Params: { name: string }; Body: { mode: CircuitMode } & OrderDetails }>(
    '/api/circuits/:name',
    { schema: { operationId: 'orderCircuit', body: circuitBody }, config: { role: 'operate' } },
    ({ params, body: { mode, ...more } }, reply) => order(reply, params.name, mode, more),
  )

  admin.post<{ Params: { name: string } }>(
    '/api/circuits/:name/reset',
    { schema: { operationId: 'resetCircuit' }, config: { role: 'operate' } },
    ({ params }, reply) => order(reply, params.name, 'reset'),
  )
}

const MODE_MEANING = 'expected open, closed or auto, as in {"mode": "open"}'

export const circuitBody = z
  .strictObject(
    {
      mode: z.enum(['open', 'closed', 'auto'], MODE_MEANING),
      reason: orderReason.describe('For the log.'),
      seconds: orderSeconds.describe('Of `open` and `closed`: after which it is `auto` again.'),
    },
    MODE_MEANING,
  )
  .refine(({ mode, seconds }) => mode !== 'auto' || seconds === undefined, {
    path: ['seconds'],
    message: 'is for open and closed: auto has no end; leave it out',
  })
