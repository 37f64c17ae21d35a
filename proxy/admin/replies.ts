import { z } from 'zod'
import { blockBody } from './block-routes.ts'
import { circuitBody } from './circuit-routes.ts'
import { emergencyBody } from './emergency-routes.ts'
import { rollBackBody } from './policy-routes.ts'
import { purgeBody } from './purge-routes.ts'
import {
  applied,
  block,
  circuit,
  differences,
  drain,
  emergency,
  emergencyNow,
  health,
  isFleetTold,
  problems,
  purge,
  shadow,
  status,
  version,
  violations,
} from './reply-bodies.ts'
import { number, text } from './reply-fields.ts'
import { sloReply } from './slo-bodies.ts'

/**
 * What the admin port answers, as its OpenAPI document tells and its tests hold. It is not loaded by the proxy: what is
 * sent is made by types.
 */

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
