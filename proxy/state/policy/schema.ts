import { z } from 'zod'
import { cache, cdn } from './cache-schema.ts'
import {
  bytes,
  count,
  factor,
  flag,
  milliseconds,
  name,
  oneOf,
  part,
  pathPattern,
  range,
  seconds,
  share,
  token,
  webUrl,
} from './fields.ts'

const HOUR_MS = 3_600_000
const DAY_SECONDS = 86_400
const YEAR_SECONDS = 365 * DAY_SECONDS
const MEBIBYTE = 1_048_576

const trustedProxies = part({
  ranges: z
    .array(range())
    .max(10_000)
    .default([])
    .describe('Peers whose forwarding headers are believed: the CDN’s and the load balancer’s addresses.'),
  clientHeader: oneOf(
    'x-forwarded-for',
    'forwarded',
    'cf-connecting-ip',
    'fastly-client-ip',
    'cloudfront-viewer-address',
  )
    .default('x-forwarded-for')
    .describe('Where a trusted peer says who the client is.'),
  ipv6PrefixBits: count({ min: 32, max: 128 })
    .default(64)
    .describe('Clients are told apart by so many bits of an IPv6 address.'),
})

const operation = z.strictObject({
  connectTimeoutMs: milliseconds({ min: 1, max: HOUR_MS })
    .optional()
    .describe('To connect to the app; then 504. Unset, `UPSTREAM_CONNECT_TIMEOUT_MS`.'),
  headersTimeoutMs: milliseconds({ min: 1, max: HOUR_MS })
    .optional()
    .describe('From the end of the request to the head of the reply; then 504. Unset, `UPSTREAM_HEADERS_TIMEOUT_MS`.'),
  idleTimeoutMs: milliseconds({ min: 1, max: 24 * HOUR_MS })
    .optional()
    .describe(
      'Between two pieces of the reply, or of what passes an upgraded connection; then it is cut. Unset, `UPSTREAM_IDLE_TIMEOUT_MS`.',
    ),
  totalTimeoutMs: milliseconds({ min: 1, max: 24 * HOUR_MS })
    .optional()
    .describe(
      'From the first byte of the request to the last of the reply, waiting for a connection included; then 504, or the reply is cut. The app is told what is left of it (`X-Request-Deadline-Ms`). Does not count for events (`text/event-stream`) and upgraded connections once they stand; unset, for nothing.',
    ),
  slowMs: milliseconds({ min: 0, max: 24 * HOUR_MS })
    .default(5_000)
    .describe(
      'Exchanges that take longer are logged with where the time went; without `totalTimeoutMs`, those whose head takes longer. 0 logs none.',
    ),
  breaker: z.boolean().default(true).describe('Whether the circuit breaker watches it.'),
})

const route = z.strictObject({
  match: z
    .strictObject({
      path: pathPattern().describe(
        '`/listings`, `/listings/:id`, `/media/*`. Of several that match, the most specific counts.',
      ),
      methods: z
        .array(
          z
            .string('expected a method, as in GET')
            .regex(/^[A-Z][A-Z-]{0,31}$/, 'expected a method in capitals, as in GET'),
        )
        .min(1, 'expected at least one method; leave it out for all')
        .max(20, 'expected at most 20 methods; leave it out for all')
        .optional()
        .describe('Unset, all of them.'),
    })
    .describe('Which requests it is for.'),
  operation: name().optional().describe('One of `operations`; unset, `read` for GET, HEAD and OPTIONS, else `write`.'),
  cache: cache.prefault({}).describe('What caches may do with its replies.'),
  limits: z.array(name()).max(8).default([]).describe('Of `limits`: all of them apply.'),
  stale: z
    .strictObject({
      keepSeconds: seconds({ min: 1, max: 30 * DAY_SECONDS }).describe(
        'How old a reply may be that is served in the place of a failure.',
      ),
      bodyBytes: bytes({ min: 1, max: 64 * MEBIBYTE })
        .default(MEBIBYTE)
        .describe('Larger replies are not kept, nor those above an eighth of `stale.storeBytes`.'),
    })
    .optional()
    .describe('Whether the last good reply is served while the app fails.'),
  priority: oneOf('high', 'normal', 'low').default('normal').describe('In an emergency, `low` is shed.'),
  challenge: oneOf('auto', 'never', 'always')
    .default('auto')
    .describe('`auto`: in an emergency, and for suspicious clients.'),
  slo: name().optional().describe('One of `slo.objectives`.'),
})

const limit = z.strictObject({
  key: z
    .discriminatedUnion(
      'by',
      [
        z.strictObject({ by: z.literal('client-address') }),
        z.strictObject({ by: z.literal('header'), name: token() }),
        z.strictObject({ by: z.literal('cookie'), name: token() }),
        z.strictObject({ by: z.literal('jwt-subject') }),
        z.strictObject({ by: z.literal('route') }),
      ],
      'expected {by: client-address}, {by: header, name: …}, {by: cookie, name: …}, {by: jwt-subject} or {by: route}',
    )
    .default({ by: 'client-address' })
    .describe('Whose requests are counted together.'),
  requests: count({ min: 1, max: 1_000_000_000 }).describe('How many, in `perSeconds`.'),
  perSeconds: seconds({ min: 1, max: DAY_SECONDS }).describe('The time for `requests`.'),
  burst: count({ min: 1, max: 1_000_000_000 }).optional().describe('How many at once; unset, `requests`.'),
  exact: flag()
    .default(false)
    .describe(
      'Redis decides each request, which waits for it, in the place of counts that are merged ten times a second: not one too many. Without an answer by REDIS_TIMEOUT_MS, this instance’s share.',
    ),
  keysLimit: count({ min: 1, max: 1_000_000 })
    .default(100_000)
    .describe('Clients remembered at once; the oldest idle ones are forgotten.'),
  announce: flag().default(true).describe('Whether replies say how much is left (`RateLimit`).'),
})

const blocking = part({
  allow: z
    .array(range())
    .max(10_000)
    .default([])
    .describe(
      'Never blocked, besides trusted proxies and this machine itself: the networks of operators, for example.',
    ),
  isAutomatic: flag().default(true).describe('Whether violations lead to a block.'),
  violations: count({ min: 1, max: 1_000_000 })
    .default(20)
    .describe('About so many within `windowSeconds` lead to a block.'),
  windowSeconds: seconds({ min: 1, max: DAY_SECONDS }).default(60).describe('See `violations`.'),
  automaticLimit: count({ min: 1, max: 4_000_000 })
    .default(1_000_000)
    .describe(
      'Above so many blocks, remembered ones included, none is made without an operator. A million take 100 to 150 MB.',
    ),
  firstBlockSeconds: seconds({ min: 1, max: YEAR_SECONDS }).default(60).describe('The first block of a client.'),
  growth: factor({ min: 1, max: 100 }).default(2).describe('How much longer each next one is.'),
  longestBlockSeconds: seconds({ min: 1, max: YEAR_SECONDS }).default(DAY_SECONDS).describe('No block is longer.'),
  forgetAfterSeconds: seconds({ min: 1, max: YEAR_SECONDS })
    .default(DAY_SECONDS)
    .describe('So long after the end of a client’s last block, the next one is a first one.'),
})

const emergency = part({
  isAutomatic: flag().default(true).describe('Whether it is entered without an operator.'),
  violationsPerSecond: count({ min: 1, max: 1_000_000 }).default(100).describe('In the fleet; enters above it.'),
  errorShare: share().default(0.25).describe('Of replies that the app failed at; enters above it.'),
  minimumRequests: count({ min: 1, max: 1_000_000 })
    .default(200)
    .describe('In ten seconds, for `errorShare` to count.'),
  busyShare: share()
    .default(0.95)
    .describe('Of the proxies’ time, and of their queues for the app, what is taken; enters above either.'),
  recoverAtShare: share()
    .default(0.5)
    .describe('It is left when all signals are at this share of what it is entered above, or below.'),
  minimumSeconds: seconds({ min: 1, max: DAY_SECONDS }).default(60).describe('No change of state sooner.'),
  maximumSeconds: seconds({ min: 1, max: 30 * DAY_SECONDS })
    .default(3_600)
    .describe(
      'Ends by itself after this, unless an operator has turned it on; entered again once signals were low, or as long again has passed.',
    ),
  limitFactor: factor({ min: 0.01, max: 1 }).default(0.5).describe('Limits are multiplied by it.'),
  challengeShare: share().default(1).describe('Of clients that are challenged.'),
  violationsFactor: factor({ min: 0.01, max: 1 }).default(0.5).describe('`blocking.violations` is multiplied by it.'),
  shed: oneOf('low', 'low-and-normal', 'nothing').default('low').describe('Routes of which priority are refused.'),
  cdnTtlFactor: factor({ min: 1, max: 1_000 }).default(10).describe('Times in the CDN are multiplied by it.'),
})

const challenge = part({
  provider: oneOf('altcha', 'turnstile', 'hcaptcha').default('altcha').describe('`altcha` needs nobody else.'),
  siteKey: z.string().min(1).max(200).optional().describe('For `turnstile` and `hcaptcha`.'),
  difficulty: count({ min: 1_000, max: 10_000_000 })
    .default(50_000)
    .describe('Of `altcha`: hashes that a browser computes, at most.'),
  puzzleSeconds: seconds({ min: 10, max: 3_600 }).default(300).describe('For an answer.'),
  clearanceSeconds: seconds({ min: 60, max: 30 * DAY_SECONDS })
    .default(3_600)
    .describe('For which one answer suffices.'),
  share: share().default(0).describe('Of clients that are challenged in calm times.'),
  whenProviderFails: oneOf('admit', 'refuse').default('admit').describe('For `turnstile` and `hcaptcha`.'),
})

const stale = part({
  storeBytes: bytes({ min: MEBIBYTE, max: 1_024 * MEBIBYTE })
    .default(32 * MEBIBYTE)
    .describe('What an instance keeps of replies, for routes that have `stale`.'),
  sharedBytes: bytes({ min: 0, max: 1_024 * MEBIBYTE })
    .default(0)
    .describe(
      'What of it is kept in Redis as well, for instances that start anew: for all of them together; 0 for nothing.',
    ),
})

const breaker = part({
  consecutiveFailures: count({ min: 1, max: 10_000 }).default(10).describe('Opens after so many in a row,'),
  failureShare: share().default(0.5).describe('or at this share of failures in `windowSeconds`,'),
  minimumRequests: count({ min: 1, max: 1_000_000 }).default(20).describe('if there were so many requests.'),
  windowSeconds: seconds({ min: 1, max: 600 }).default(10).describe('See `failureShare`.'),
  openSeconds: seconds({ min: 1, max: 3_600 }).default(5).describe('Then one request is let through.'),
  rampSeconds: seconds({ min: 0, max: 3_600 }).default(10).describe('After its success, how long until all are.'),
})

const objective = z.strictObject({
  availability: share({ min: 0.5, max: 0.99999 }).describe('Of requests that are to be answered well, as in 0.999.'),
  latency: z
    .strictObject({
      thresholdMs: milliseconds({ min: 1, max: HOUR_MS }).describe('A reply later than this is slow.'),
      share: share({ min: 0.5, max: 0.99999 }).describe('Of requests that are not to be slow.'),
    })
    .optional(),
  windowDays: count({ min: 1, max: 30 }).default(30).describe('Over which the budget is counted.'),
})

const burnRate = z.strictObject({
  factor: factor({ min: 1, max: 1_000 }).describe('How many times faster than allowed the budget burns.'),
  longSeconds: seconds({ min: 60, max: 30 * DAY_SECONDS }).describe('In this window,'),
  shortSeconds: seconds({ min: 60, max: 30 * DAY_SECONDS }).describe('and in this one, which is shorter.'),
})

const alerts = part({
  burnRates: z
    .array(burnRate)
    .max(10)
    .default([
      { factor: 14.4, longSeconds: 3_600, shortSeconds: 300 },
      { factor: 6, longSeconds: 21_600, shortSeconds: 1_800 },
      { factor: 3, longSeconds: DAY_SECONDS, shortSeconds: 7_200 },
      { factor: 1, longSeconds: 3 * DAY_SECONDS, shortSeconds: 21_600 },
    ])
    .describe('An alert for each that both its windows exceed.'),
  minimumEvents: count({ min: 1, max: 1_000_000 }).default(100).describe('In a window, for it to count.'),
  webhooks: z
    .array(z.strictObject({ kind: oneOf('alertmanager', 'slack'), url: webUrl() }))
    .max(10)
    .default([])
    .describe('Who is told.'),
})

const probation = part({
  seconds: seconds({ min: 0, max: 3_600 })
    .default(300)
    .describe('How long a policy that has just been applied is watched; 0 is not at all.'),
  badShare: share()
    .default(0.1)
    .describe('It is rolled back when the share of refused and failed replies is greater by so much than before it.'),
  minimumRequests: count({ min: 1, max: 1_000_000 }).default(200).describe('In the fleet, before it is judged.'),
})

/** Everything that operators can change while the proxy runs. Nothing in it is required. */
export const policySchema = z.strictObject({
  trustedProxies: trustedProxies.describe('Who stands in front of Sidegate.'),
  operations: z
    .record(name(), operation)
    .default({})
    .transform((given) => ({ read: operation.parse({}), write: operation.parse({}), ...given }))
    .describe('Kinds of work of the app, with what each may take. `read` and `write` are always there.'),
  routes: z
    .record(name(), route)
    .default({})
    .describe('What requests there are. One that none matches has the defaults of a route.'),
  limits: z.record(name(), limit).default({}).describe('Rate limits, for routes to name.'),
  blocking: blocking.describe('Blocks of addresses.'),
  emergency: emergency.describe('What is a flood, and what is done about it.'),
  challenge: challenge.describe('How a client shows that it is a browser with a person.'),
  stale: stale.describe('Replies that are kept for when the app fails.'),
  breaker: breaker.describe('When the app is given a rest.'),
  slo: part({ objectives: z.record(name(), objective).default({}) }).describe('What is promised.'),
  cdn: cdn.describe('The CDN in front.'),
  alerts: alerts.describe('When somebody is told.'),
  probation: probation.describe(
    'When this policy, once applied, is taken back by itself. A roll-back is not on probation.',
  ),
})

/** What an operator wrote, with all defaults. */
export type Policy = z.output<typeof policySchema>
