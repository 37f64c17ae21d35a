import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type Clock, systemClock } from '#shared/clock.ts'
import { type IpAddress, parseAddress } from '../facts/ip-address.ts'
import { clientRange } from '../state/addresses/client-range.ts'
import type { Block } from '../state/blocks/block.ts'
import type { EmergencyReading } from '../state/emergency/emergency-state.ts'
import { violationsThreshold } from '../state/violations/threshold.ts'
import { addressField, toldBlock } from './block-fields.ts'
import type { BlockParts } from './block-routes.ts'
import { type ViolationsByClient, verdictOn } from './explain.ts'

export interface ExplainParts extends BlockParts {
  /** Undefined where nobody counts them. */
  readonly violations: ViolationsByClient | undefined
  /** Undefined where it is not known. */
  readonly emergency: EmergencyReading | undefined
}

/** `GET /api/explain?address=`: whether an address is blocked, by which block, by whom, and what led there. */
export const explainRoute = (admin: FastifyInstance, parts: ExplainParts, clock: Clock = systemClock): void => {
  const { blocks, policies, violations, emergency } = parts

  const toldWithEvidence = async (block: Block, nowMs: number) => ({
    ...toldBlock(block),
    isHolding: block.untilMs > nowMs,
    // An operator's block has come of no violation.
    violations: block.source === 'auto' ? ((await violations?.evidence(block.range)) ?? []) : [],
  })

  admin.get<{ Querystring: { address: string } }>(
    '/api/explain',
    { schema: { operationId: 'explain', querystring: explainQuery }, config: { role: 'read' } },
    async ({ query: { address } }, reply) => {
      const parsed = parseAddress(address) as IpAddress
      const { active } = policies
      const { version, policy } = active
      const covering = blocks.covering(parsed)
      const client = clientRange(parsed, active)
      const nowMs = clock.wallMs()
      const { verdict, because, allowedBy } = verdictOn(parsed, covering, policy, nowMs)
      return reply.send({
        ...{
          address,
          client,
          verdict,
          because,
          policyVersion: version,
          emergency: emergency?.state ?? null,
          allowedBy,
        },
        blocks: await Promise.all(covering.map((block) => toldWithEvidence(block, nowMs))),
        violations:
          violations === undefined
            ? null
            : {
                count: violations.count(client, active),
                threshold:
                  allowedBy === null && policy.blocking.isAutomatic
                    ? violationsThreshold(policy, emergency?.state ?? 'calm')
                    : null,
                windowSeconds: policy.blocking.windowSeconds,
                recent: violations.recent(client),
              },
      })
    },
  )
}

const explainQuery = z.strictObject({ address: addressField().describe('Of IPv4 or IPv6.') })
