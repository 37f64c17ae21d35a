import { z } from 'zod'
import { VERDICTS } from '../slo/verdict.ts'
import { blockBody } from './block-routes.ts'
import { circuitBody } from './circuit-routes.ts'
import { emergencyBody } from './emergency-routes.ts'
import { rollBackBody } from './policy-routes.ts'
import { purgeBody } from './purge-routes.ts'

/**
 * What the admin port answers, as its OpenAPI document tells and its tests hold. It is not loaded by the proxy: what is
 * sent is made by types.
 */

const time = () => z.iso.datetime()
const number = () => z.int().min(0)
const share = () => z.number().min(0).max(1)
const text = () => z.string()

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

const problems = z.array(z.strictObject({ path: text(), message: text() }))

const differences = z
  .array(z.strictObject({ path: text(), from: z.unknown().optional(), to: z.unknown().optional() }))
  .describe('Key by key, secrets masked. Without `from`, the key is new; without `to`, it is gone.')

const inFlight = z.strictObject({ requests: number(), upgrades: number(), longestMs: number() })

const stored = z.strictObject({ since: time(), until: time(), base: number().describe('The version to go back to.') })
const badShareBefore = share().describe('Of replies that were refused or failed, before it.')
const probation = z.strictObject({ ...stored.shape, badShareBefore })

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

const sloReply = z.strictObject({
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

const rows = <Shape extends z.ZodRawShape>(shape: Shape) => z.array(z.strictObject({ ...shape, count: number() }))
const routeName = () => text().nullable().describe('null: none matches.')

const shadow = z.strictObject({
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

const purge = z.strictObject({
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

const emergency = z.strictObject({
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

const emergencyNow = z.strictObject({ ...emergency.shape, signals })

const circuit = z.strictObject({
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

const status = z.union([
  z.strictObject({ ...who, ...processStatus }),
  z.strictObject({
    ...who,
    startedAt: time(),
    restarts: number(),
    workers: z.array(z.strictObject({ instance: text(), reportAgeMs: number(), ...processStatus })),
  }),
])

const block = z.strictObject({
  range: text(),
  source: z.enum(['auto', 'manual']),
  author: text(),
  reason: text(),
  since: time(),
  until: time().nullable().describe('null: without an end.'),
  count: z.int().min(1).describe('How many times in a row.'),
})
const isFleetTold = z.boolean().describe('false: it holds here; the fleet is told when Redis is back.')
const violations = z.array(
  z.strictObject({
    at: time(),
    kind: text(),
    what: text().describe('Which limits refused, or what was wrong with an answer.'),
    method: text(),
    route: text().optional(),
    path: text(),
  }),
)

const health = z.looseObject({ status: z.enum(['ok', 'degraded', 'unavailable']) })
const drain = z.strictObject({ phase: text(), inFlight })
const applied = z.strictObject({ version: number(), differences, probation: probation.optional() })
const version = z.strictObject({
  version: number(),
  author: text(),
  at: time(),
  reason: text().optional(),
  badShareBefore: badShareBefore.optional(),
  probation: stored.optional(),
})

interface OkReply {
  readonly description: string
  readonly schema?: z.ZodType
  readonly type?: string
}

/** One operation: its summary, its good replies, and the statuses of its problems with their reasons. */
interface Operation {
  readonly summary: string
  readonly takes?: 'policy' | 'lines' | z.ZodType
  readonly needsIfMatch?: true
  readonly replies: Readonly<Record<number, OkReply>>
  readonly problems?: Readonly<Record<number, string>>
}

const ordered = z.strictObject({
  name: text(),
  order: z.enum(['auto', 'open', 'closed', 'reset']),
  processes: number().describe('That are told.'),
})
const NO_CIRCUIT = 'There is no circuit of this name: the detail has those that there are.'

const blocked = z.strictObject({ block, isFleetTold, warning: text().optional() })
const unblocked = {
  replies: { 200: { description: 'It was blocked.', schema: z.strictObject({ unblocked: block, isFleetTold }) } },
  problems: { 400: 'The range is none.', 404: 'There is no block of exactly this range.' },
}

const INVALID = 'The policy has problems: all of them, by path.'
const UNPARSED = 'The body is neither JSON nor YAML.'
const changes = {
  412: 'Somebody else was first; ETag is the newest version.',
  428: 'If-Match is missing.',
}

export const operations: Readonly<Record<string, Operation>> = {
  getLiveness: {
    summary: 'Whether the process runs',
    replies: { 200: { description: 'It does.', schema: z.looseObject({ status: text() }) } },
  },
  getReadiness: {
    summary: 'Whether it takes traffic',
    replies: {
      200: { description: 'It does.', schema: health },
      503: { description: 'It is starting, draining, or without what it needs.', schema: health },
    },
  },
  getHealth: {
    summary: 'Each dependency, with latency and last error',
    replies: { 200: { description: 'Ready.', schema: health }, 503: { description: 'Not ready.', schema: health } },
  },
  getMetrics: { summary: 'Metrics for Prometheus', replies: { 200: { description: 'Samples.', type: 'text/plain' } } },
  drain: {
    summary: 'Begins to drain, as SIGTERM does',
    replies: { 202: { description: 'It has begun, now or before.', schema: drain } },
  },
  getDrain: {
    summary: 'How far a drain is; with wait=1, once it is done',
    replies: { 200: { description: 'The phase, and what is in flight.', schema: drain } },
    problems: { 400: 'A query that is not known.' },
  },
  getStatus: {
    summary: 'Who runs here, since when, with what',
    replies: { 200: { description: 'Of the process, or of each of its workers.', schema: status } },
  },
  getPolicy: {
    summary: 'What is in force, with all defaults',
    replies: {
      200: {
        description: 'ETag is the version.',
        schema: z.strictObject({
          version: number(),
          refused: z.strictObject({ version: number(), problems }).optional(),
          policy: z.record(text(), z.unknown()),
        }),
      },
    },
  },
  applyPolicy: {
    summary: 'Puts another policy in force, on probation',
    takes: 'policy',
    needsIfMatch: true,
    replies: { 200: { description: 'It is in force here; in the fleet within a second.', schema: applied } },
    problems: { 400: UNPARSED, 422: INVALID, ...changes },
  },
  validatePolicy: {
    summary: 'What a policy would change, without doing it',
    takes: 'policy',
    replies: {
      200: { description: 'It could be applied.', schema: z.strictObject({ isValid: z.literal(true), differences }) },
    },
    problems: { 400: UNPARSED, 422: INVALID },
  },
  getPolicyHistory: {
    summary: 'Who changed it when, newest first',
    replies: {
      200: { description: 'The versions that are kept.', schema: z.strictObject({ versions: z.array(version) }) },
    },
  },
  getPolicyVersion: {
    summary: 'One version of the history',
    replies: {
      200: {
        description: 'With its document.',
        schema: z.strictObject({
          ...version.shape,
          document: z.unknown().describe('As its author wrote it, secrets masked.'),
        }),
      },
    },
    problems: { 400: 'The version is no number.', 404: 'There is no such version.' },
  },
  rollBackPolicy: {
    summary: 'Puts an earlier version in force again, as a new one',
    takes: rollBackBody,
    needsIfMatch: true,
    replies: { 200: { description: 'It is in force here; in the fleet within a second.', schema: applied } },
    problems: {
      404: 'There is no such version.',
      422: 'The version is of no use to this release.',
      ...changes,
    },
  },
  getEmergency: {
    summary: 'Whether there is an emergency, by what signals, and what has changed when',
    replies: {
      200: {
        description: 'The last 50 changes, newest first.',
        schema: z.strictObject({ ...emergencyNow.shape, history: z.array(emergency) }),
      },
    },
  },
  orderEmergency: {
    summary: 'Turns the emergency on or off, or leaves it to the signals',
    takes: emergencyBody,
    replies: {
      200: { description: 'It holds here; in the fleet within a second, if isFleetTold.', schema: emergencyNow },
    },
  },
  beginShadow: {
    summary: 'Holds live traffic against a candidate, without effect',
    takes: 'policy',
    replies: { 200: { description: 'It has begun.', schema: z.strictObject({ shadow }) } },
    problems: { 400: UNPARSED, 422: INVALID },
  },
  getShadow: {
    summary: 'What the candidate would have done otherwise, in the whole fleet',
    replies: { 200: { description: 'null: there is none.', schema: z.strictObject({ shadow: shadow.nullable() }) } },
  },
  getSlo: {
    summary: 'How the fleet keeps what the policy promises, and what it does',
    replies: { 200: { description: 'Of what this instance knows: the others’ a second later.', schema: sloReply } },
  },
  listCircuits: {
    summary: 'How the circuits of this instance are, in each of its processes',
    replies: {
      200: {
        description: 'One for each operation that is watched.',
        schema: z.strictObject({ circuits: z.array(z.strictObject({ instance: text(), ...circuit.shape })) }),
      },
    },
  },
  orderCircuit: {
    summary: 'Opens a circuit or closes it, whatever becomes of requests, or leaves it to them',
    takes: circuitBody,
    replies: {
      200: {
        description: 'It holds in this instance, until its end if it has one, or the next order.',
        schema: ordered,
      },
    },
    problems: { 404: NO_CIRCUIT },
  },
  resetCircuit: {
    summary: 'Closes a circuit, forgets what was counted, and leaves it to what becomes of requests',
    replies: { 200: { description: 'It has, in this instance.', schema: ordered } },
    problems: { 404: NO_CIRCUIT },
  },
  listBlocks: {
    summary: 'Blocked addresses, in pages',
    replies: {
      200: {
        description: 'A page may have fewer than asked for, and yet not be the last.',
        schema: z.strictObject({
          blocks: z.array(block),
          next: number().nullable().describe('The cursor of the next page; null behind the last.'),
          size: number().describe('Of all, those included that have passed and are remembered.'),
        }),
      },
    },
    problems: { 400: 'A query that is not known.' },
  },
  block: {
    summary: 'Blocks an address or a range',
    takes: blockBody,
    replies: {
      200: { description: 'In the place of a block that held.', schema: blocked },
      201: { description: 'It holds here; in the fleet within a second.', schema: blocked },
    },
    problems: { 422: 'It would have no effect, or is so wide that it must be confirmed.' },
  },
  unblock: { ...unblocked, summary: 'Ends the block of exactly this range' },
  unblockRange: { ...unblocked, summary: 'The same, for who cannot write %2F' },
  exportBlocks: {
    summary: 'All blocks that hold, as plain lines',
    replies: { 200: { description: 'RANGE END REASON, one a line.', type: 'text/plain' } },
    problems: { 400: 'A query that is not known.' },
  },
  importBlocks: {
    summary: 'Blocks all of a list, or nothing of it',
    takes: 'lines',
    replies: {
      200: {
        description: 'They hold here; in the fleet within a second.',
        schema: z.strictObject({
          blocked: number().describe('Lines; of several of one range the last counts.'),
          passed: number().describe('Lines whose end had come: they are passed over.'),
          withoutEffect: number().describe('Of `blocked`, those all of which is never blocked by the policy.'),
          isFleetTold,
        }),
      },
    },
    problems: {
      409: 'There is no room for so many.',
      413: 'The list is larger than 8 MiB.',
      422: 'The list has problems: the first hundred, by line.',
    },
  },
  purge: {
    summary: 'Purges by URL, tag, prefix, or everything, in all proxies and in the CDN',
    takes: purgeBody,
    replies: { 202: { description: 'Accepted: it is carried out, whatever restarts meanwhile.', schema: purge } },
    problems: { 422: 'The CDN cannot purge so.', 503: 'Redis is lost: it is not accepted.' },
  },
  getPurge: {
    summary: 'What has become of a purge',
    replies: { 200: { description: 'As it is now.', schema: purge } },
    problems: { 400: 'That is no ID.', 404: 'There is none, or it is older than a week.', 503: 'Redis is lost.' },
  },
  explain: {
    summary: 'Why an address is blocked, or is not',
    replies: {
      200: {
        description: 'As this instance has it.',
        schema: z.strictObject({
          address: text(),
          client: text().describe('What counts as one client with it.'),
          verdict: z.enum(['blocked', 'allowed', 'free']),
          because: text().describe('For people.'),
          policyVersion: number(),
          emergency: z.enum(['calm', 'emergency', 'recovering']).nullable().describe('null: not known here.'),
          allowedBy: z
            .strictObject({ range: text(), by: z.enum(['blocking.allow', 'trustedProxies.ranges', 'this machine']) })
            .nullable()
            .describe('Why no block has an effect on it.'),
          blocks: z
            .array(z.strictObject({ ...block.shape, isHolding: z.boolean(), violations }))
            .describe('All that cover it, those included that have passed, with what led there.'),
          violations: z
            .strictObject({
              count: number(),
              threshold: number().nullable().describe('null: no number of them leads to a block.'),
              windowSeconds: number(),
              recent: violations,
            })
            .nullable()
            .describe('null: not counted here.'),
        }),
      },
    },
    problems: { 400: 'The address is none.' },
  },
  endShadow: {
    summary: 'Ends the candidate in shadow',
    replies: { 204: { description: 'It has ended.' } },
    problems: { 404: 'There is none.' },
  },
}
