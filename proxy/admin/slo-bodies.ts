import { z } from 'zod'
import { VERDICTS } from '../slo/verdict.ts'
import { number, share, text, time } from './reply-fields.ts'

/** What `/api/slo` tells. */

const counted = number().describe('Exchanges.')
const noData = 'null: there were none, which is not 100 %.'
const traffic = z.array(
  z.strictObject({
    windowSeconds: number(),
    good: counted,
    bad: counted,
    excluded: counted,
    availability: share().nullable().describe(noData),
    verdicts: z.partialRecord(z.enum(VERDICTS), number()).describe('By why.'),
    latencyMs: z
      .strictObject({ p50: z.number(), p95: z.number(), p99: z.number(), p999: z.number() })
      .nullable()
      .describe('Until the head of good replies, within 1 %.'),
  }),
)
const windowBurn = z.strictObject({
  windowSeconds: number(),
  events: number(),
  burn: z.number().nullable().describe('How many times faster than allowed.'),
})
const promised = z.strictObject({
  target: share(),
  events: number(),
  bad: number(),
  share: share().nullable().describe(noData),
  budgetLeft: z.number().nullable().describe('Of what may fail: 1 is all, below 0 it is overdrawn.'),
  burnRates: z.array(
    z.strictObject({ factor: z.number(), long: windowBurn, short: windowBurn, isExceeded: z.boolean() }),
  ),
})
const burnAlert = z.strictObject({
  objective: text(),
  promise: z.enum(['availability', 'latency']),
  factor: z.number(),
  longSeconds: number(),
  shortSeconds: number(),
})
const waitingNotification = z.strictObject({
  ...burnAlert.shape,
  change: z.enum(['fires', 'resolved']),
  at: time(),
  webhook: z.strictObject({ kind: z.enum(['alertmanager', 'slack']), host: text() }),
  attempts: number(),
  dueAt: time().describe('When it is tried next.'),
})

export const sloReply = z.strictObject({
  policyVersion: number(),
  objectives: z.array(
    z.strictObject({
      name: text(),
      windowDays: number(),
      availability: promised,
      latency: z.strictObject({ thresholdMs: z.number(), ...promised.shape }).nullable(),
    }),
  ),
  alerts: z.array(z.strictObject({ ...burnAlert.shape, since: time() })).describe('What fires in the fleet.'),
  notifications: z.array(waitingNotification).describe('What webhooks have not accepted yet.'),
  traffic: z.strictObject({
    all: traffic,
    operations: z.array(z.strictObject({ name: text(), traffic })),
  }),
})
