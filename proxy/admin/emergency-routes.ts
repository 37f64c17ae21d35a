import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { Logger } from '#shared/log.ts'
import type { FleetEmergency } from '../state/emergency/emergency.ts'
import type { EmergencyOrder } from '../state/emergency/emergency-order.ts'
import { rounded } from '../state/emergency/pressure.ts'
import { audit } from './audit.ts'

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
const REASON_MEANING = 'expected a reason of at most 500 characters'
const SECONDS_MEANING = 'expected how long it is to hold, as a whole number of seconds from 1 to 2592000'

export const emergencyBody = z
  .strictObject(
    {
      mode: z.enum(['on', 'off', 'auto'], MODE_MEANING),
      reason: z
        .string(REASON_MEANING)
        .min(1, REASON_MEANING)
        .max(500, REASON_MEANING)
        .optional()
        .describe('For the log and the history.'),
      seconds: z
        .int(SECONDS_MEANING)
        .min(1, SECONDS_MEANING)
        .max(2_592_000, SECONDS_MEANING)
        .optional()
        .describe('Of `on` and `off`: after which it is `auto` again.'),
    },
    MODE_MEANING,
  )
  .refine(({ mode, seconds }) => mode !== 'auto' || seconds === undefined, {
    path: ['seconds'],
    message: 'is for on and off: auto has no end; leave it out',
  })
