import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Logger } from '#shared/log.ts'
import type { FleetEmergency } from '../state/emergency/emergency.ts'
import type { EmergencyOrder } from '../state/emergency/emergency-order.ts'
import { rounded } from '../state/emergency/pressure.ts'
import { audit } from './audit.ts'
import { orderReason, orderSeconds } from './order-fields.ts'

/**
 * The emergency of the fleet:
 *
 *     GET /api/emergency   how things are, the signals, and what has changed when
 *     PUT /api/emergency   {"mode": "on" | "off" | "auto", "reason": …, "seconds": …}
 *
 * An order holds while Redis is lost, too: here at once, and in the fleet once it is back.
 */
export const emergencyRoutes = (admin: FastifyInstance, emergency: FleetEmergency, log: Logger): void => {
  const now = () => ({
    ...emergency.status,
    signals: emergency.readings().map(({ signal, value, enterAbove, recoverAt }) => ({
      ...{ signal, value: rounded(value), enterAbove, recoverAt: rounded(recoverAt) },
    })),
  })

  admin.get(
    '/api/emergency',
    { schema: { operationId: 'getEmergency' }, config: { role: 'read' } },
    async (_request, reply) => reply.send({ ...now(), history: await emergency.history() }),
  )

  admin.put<{ Body: Pick<EmergencyOrder, 'mode' | 'reason' | 'seconds'> }>(
    '/api/emergency',
    { schema: { operationId: 'orderEmergency', body: emergencyBody }, config: { role: 'operate' } },
    async (request, reply) => {
      const isFleetTold = await emergency.order({ ...request.body, by: request.caller.name })
      audit(log, request, 'emergency ordered', { ...request.body, isFleetTold })
      return reply.send(now())
    },
  )
}

const MODE_MEANING = 'expected on, off or auto, as in {"mode": "on"}'

export const emergencyBody = z
  .strictObject(
    {
      mode: z.enum(['on', 'off', 'auto'], MODE_MEANING),
      reason: orderReason.describe('For the log and the history.'),
      seconds: orderSeconds.describe('Of `on` and `off`: after which it is `auto` again.'),
    },
    MODE_MEANING,
  )
  .refine(({ mode, seconds }) => mode !== 'auto' || seconds === undefined, {
    path: ['seconds'],
    message: 'is for on and off: auto has no end; leave it out',
  })
