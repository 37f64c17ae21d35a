import { z } from 'zod'
import { number, share, text, time } from './reply-fields.ts'

/** What stands in replies of the admin port; those of `/api/slo` are in slo-bodies.ts. */

export const problemReply = z.strictObject({
  type: text(),
  title: text(),
  status: z.int(),
  detail: text().describe('What is wrong, and the remedy.'),
  correlationId: text().describe('By which the log can be searched.'),
  problems: z
    .array(z.strictObject({ path: text(), message: text() }))
    .optional()
    .describe('All that is wrong with a policy.'),
})

export const problems = z.array(z.strictObject({ path: text(), message: text() }))

export const differences = z
  .array(z.strictObject({ path: text(), from: z.unknown().optional(), to: z.unknown().optional() }))
  .describe('Key by key, secrets masked. Without `from`, the key is new; without `to`, it is gone.')

const inFlight = z.strictObject({ requests: number(), upgrades: number(), longestMs: number() })

const stored = z.strictObject({ since: time(), until: time(), base: number().describe('The version to go back to.') })
const badShareBefore = share().describe('Of replies that were refused or failed, before it.')
const probation = z.strictObject({ ...stored.shape, badShareBefore })

const rows = <Shape extends z.ZodRawShape>(shape: Shape) => z.array(z.strictObject({ ...shape, count: number() }))
const routeName = () => text().nullable().describe('null: none matches.')

export const shadow = z.strictObject({
  author: text(),
  at: time(),
  problems: problems.optional().describe('Why this instance cannot use the candidate.'),
  note: text().optional(),
  requests: number().describe('Held against the candidate.'),
  sums: z.strictObject({
    wouldRefuse: number(),
    wouldAdmit: number(),
    wouldChange: number(),
    rerouted: number(),
    failed: number().describe('At which the candidate itself failed.'),
  }),
  wouldRefuse: rows({ route: routeName(), refusal: text() }).describe('Admitted, and refused by the candidate.'),
  wouldAdmit: rows({ route: routeName(), refusal: text() }).describe('Refused, and admitted by the candidate.'),
  wouldChange: rows({ route: routeName(), header: text() }).describe(
    'Replies with another header than the candidate’s.',
  ),
  rerouted: rows({ from: routeName(), to: routeName() }),
})

export const purge = z.strictObject({
  id: text(),
  kind: z.enum(['url', 'tag', 'prefix', 'everything']),
  values: z.array(text()),
  soft: z.boolean(),
  author: text(),
  at: time(),
  delivery: z
    .strictObject({
      state: z.enum(['waiting', 'retrying', 'delivered', 'failed', 'local']),
      attempts: number(),
      at: time().describe('Of the last change.'),
      error: text().optional().describe('What the CDN said.'),
    })
    .describe('To the CDN; `local`: there is none.'),
  instances: z
    .strictObject({ purged: number(), of: number() })
    .describe('Proxies that serve nothing of it any more, of those that are there.'),
})

export const emergency = z.strictObject({
  state: z.enum(['calm', 'emergency', 'recovering']),
  mode: z.enum(['on', 'off', 'auto']).describe('`on` and `off` are an operator’s.'),
  since: time().optional().describe('In this state; not there where it has never been another.'),
  until: time().optional().describe('Then it is `auto` again.'),
  isSpent: z
    .literal(true)
    .optional()
    .describe('It has lasted as long as it may, and is not entered by itself until signals have been low.'),
  by: text().describe('A token, or `sidegate`.'),
  why: text(),
  isFleetTold: z.boolean().describe('false: of this instance alone, until Redis is back.'),
})

const signals = z
  .array(
    z.strictObject({
      signal: z.enum(['violationsPerSecond', 'errorShare', 'busyShare', 'queueShare']),
      value: z.number().min(0),
      enterAbove: z.number().min(0),
      recoverAt: z.number().min(0).describe('It is left once all are at theirs, or below.'),
    }),
  )
  .describe('Of the fleet, over ten seconds.')

export const emergencyNow = z.strictObject({ ...emergency.shape, signals })

export const circuit = z.strictObject({
  name: text().describe('Of the operation.'),
  state: z.enum(['closed', 'open', 'half-open', 'closing']),
  mode: z.enum(['auto', 'open', 'closed']).describe('`open` and `closed` are an operator’s.'),
  until: time().optional().describe('When an order ends by itself.'),
  since: time(),
  cause: z
    .enum(['failures-in-a-row', 'failure-share', 'probe-due', 'probe-failed', 'probe-answered', 'ramp-over', 'order'])
    .optional()
    .describe('Of the last change; not there where it has never been another.'),
  admittedShare: share().describe('Of requests, what goes to the app.'),
  failuresInARow: number(),
  requests: number().describe('In breaker.windowSeconds.'),
  failures: number().describe('Of them; a reply that breaks off counts when it does.'),
  refused: number().describe('Since the start.'),
})

const processStatus = {
  startedAt: time(),
  lifecycle: z.enum(['starting', 'serving', 'draining']),
  uptimeSeconds: number(),
  inFlight,
  upstream: z
    .strictObject({ connections: number(), idle: number(), queued: number() })
    .describe('Connections to the app, those of them that nobody uses, and requests that wait for one.'),
  redis: z.looseObject({ mode: text() }),
  fleetSize: number().describe('Living instances, this one included.'),
  policy: z.strictObject({
    version: number(),
    refused: z.strictObject({ version: number(), problems }).optional(),
    probation: z.strictObject({ ...probation.shape, requests: number(), badShare: share() }).optional(),
  }),
  emergency,
  circuits: z.array(circuit),
}

const who = {
  instance: text(),
  version: text(),
  token: z.strictObject({ name: text(), role: z.enum(['read', 'operate']) }).describe('Who asks.'),
  shadow: shadow.optional(),
}

export const status = z.union([
  z.strictObject({ ...who, ...processStatus }),
  z.strictObject({
    ...who,
    startedAt: time(),
    restarts: number(),
    workers: z.array(z.strictObject({ instance: text(), reportAgeMs: number(), ...processStatus })),
  }),
])

export const block = z.strictObject({
  range: text(),
  source: z.enum(['auto', 'manual']),
  author: text(),
  reason: text(),
  since: time(),
  until: time().nullable().describe('null: without an end.'),
  count: z.int().min(1).describe('How many times in a row.'),
})
export const isFleetTold = z.boolean().describe('false: it holds here; the fleet is told when Redis is back.')
export const violations = z.array(
  z.strictObject({
    at: time(),
    kind: text(),
    what: text().describe('Which limits refused, or what was wrong with an answer.'),
    method: text(),
    route: text().optional(),
    path: text(),
  }),
)

export const health = z.looseObject({ status: z.enum(['ok', 'degraded', 'unavailable']) })
export const drain = z.strictObject({ phase: text(), inFlight })
export const applied = z.strictObject({ version: number(), differences, probation: probation.optional() })
export const version = z.strictObject({
  version: number(),
  author: text(),
  at: time(),
  reason: text().optional(),
  badShareBefore: badShareBefore.optional(),
  probation: stored.optional(),
})
