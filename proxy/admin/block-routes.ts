import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { type Clock, systemClock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import { peerAddress } from '../facts/client-address.ts'
import { type IpAddress, parseAddress } from '../facts/ip-address.ts'
import { type Cidr, covers, formatCidr, parseCidr } from '../state/addresses/cidr.ts'
import type { Block } from '../state/blocks/block.ts'
import type { BlockStore } from '../state/blocks/block-store.ts'
import { isWide, wideRangeProblem } from '../state/blocks/wide-range.ts'
import type { CompiledPolicy } from '../state/policy/compile.ts'
import type { Policy } from '../state/policy/schema.ts'
import { audit } from './audit.ts'
import {
  addressField,
  flagField,
  rangeField,
  reasonField,
  secondsField,
  sourceField,
  toldBlock,
} from './block-fields.ts'
import { manualBlock } from './manual-block.ts'
import { neverBlocked } from './never-blocked.ts'
import { refuse } from './refuse.ts'

/** What the routes of blocks work with. */
export interface BlockParts {
  readonly blocks: BlockStore
  readonly policies: { readonly active: Pick<CompiledPolicy, 'version' | 'policy' | 'neverBlocked'> }
}

/**
 * Blocked addresses:
 *
 *     GET    /api/blocks                  those that hold, in pages; ?source= ?address= ?passed=true ?limit= ?cursor=
 *     POST   /api/blocks                  {range, seconds | permanent: true, reason?, confirm?}: blocks
 *     DELETE /api/blocks/192.0.2.0%2F24   unblocks exactly this range; /api/blocks/192.0.2.0/24 is the same
 *     GET    /api/blocks/lines            all that hold, as plain lines       (block-lines-routes.ts)
 *     POST   /api/blocks/lines            blocks all of a list of such lines  (block-lines-routes.ts)
 *     GET    /api/explain?address=        why it is blocked or not            (explain-route.ts)
 */
export const blockRoutes = (
  admin: FastifyInstance,
  { blocks, policies }: BlockParts,
  log: Logger,
  clock: Clock = systemClock,
): void => {
  admin.get<{ Querystring: z.output<typeof listQuery> }>(
    '/api/blocks',
    { schema: { operationId: 'listBlocks', querystring: listQuery }, config: { role: 'read' } },
    ({ query: { cursor = 0, limit = PAGE, source, address, passed } }, reply) => {
      const nowMs = clock.wallMs()
      const isWanted = (block: Block) =>
        (source === undefined || block.source === source) && (passed !== undefined || block.untilMs > nowMs)
      const found =
        address === undefined
          ? pageOf(blocks, cursor, limit, isWanted)
          : { blocks: blocks.covering(parseAddress(address) as IpAddress).filter(isWanted), next: undefined }
      return reply.send({ blocks: found.blocks.map(toldBlock), next: found.next ?? null, size: blocks.size })
    },
  )

  admin.post<{ Body: z.output<typeof blockBody> }>(
    '/api/blocks',
    { schema: { operationId: 'block', body: blockBody }, config: { role: 'operate' } },
    async (request, reply) => {
      const { range, seconds, reason = '', confirm } = request.body
      const cidr = parseCidr(range) as Cidr
      const refusal = refusalOf(policies.active.policy, cidr, confirm)
      if (refusal !== undefined) return refuse(reply, 422, 'Unprocessable Content', refusal)
      if (!blocks.hasRoomFor(1)) return refuseAsFull(reply)
      const nowMs = clock.wallMs()
      const before = blocks.get(range)
      const { forgetAfterSeconds } = policies.active.policy.blocking
      const untilMs = seconds === undefined ? Number.POSITIVE_INFINITY : nowMs + seconds * 1_000
      const order = manualBlock(
        { range, untilMs, reason },
        { author: request.caller.name, nowMs, forgetAfterSeconds, before },
      )
      const { isFleetTold } = await blocks.block([order])
      const block = toldBlock({ ...order, stamp: 0 })
      const { since, until } = block
      audit(log, request, 'address blocked', { range, since, until, reason, isFleetTold })
      const warning = ownAddressWarning(request, cidr)
      return reply
        .status(before === undefined || before.untilMs <= nowMs ? 201 : 200)
        .send({ block, isFleetTold, ...(warning !== undefined && { warning }) })
    },
  )

  const unblock = async (request: FastifyRequest, reply: FastifyReply, range: string): Promise<FastifyReply> => {
    const { isFleetTold, unblocked } = await blocks.unblock([range])
    const [block] = unblocked
    if (block === undefined) return refuse(reply, 404, 'Not Found', noneOf(range, blocks, clock.wallMs()))
    audit(log, request, 'address unblocked', { range, isFleetTold, was: toldBlock(block) })
    return reply.send({ unblocked: toldBlock(block), isFleetTold })
  }

  admin.delete<{ Params: { range: string } }>(
    '/api/blocks/:range',
    { schema: { operationId: 'unblock', params: rangeParams }, config: { role: 'operate' } },
    (request, reply) => unblock(request, reply, request.params.range),
  )

  admin.delete<{ Params: { address: string; bits: string } }>(
    '/api/blocks/:address/:bits',
    { schema: { operationId: 'unblockRange', params: addressAndBits }, config: { role: 'operate' } },
    (request, reply) => {
      const { address, bits } = request.params
      const cidr = parseCidr(`${address}/${bits}`)
      if (cidr === undefined) return refuse(reply, 400, 'Bad Request', `bits: ${address} has not so many: shorten it`)
      return unblock(request, reply, formatCidr(cidr))
    },
  )
}

const PAGE = 100
const PAGE_LIMIT = 1_000
/** Of those that are looked at for one page: it may be that none is wanted. */
const LOOKED_AT_LIMIT = 5_000

const pageOf = (blocks: BlockStore, from: number, limit: number, isWanted: (block: Block) => boolean) => {
  const found: Block[] = []
  let next: number | undefined = from
  for (let looked = 0; next !== undefined && found.length < limit && looked < LOOKED_AT_LIMIT; ) {
    const page = blocks.page(next, limit - found.length)
    found.push(...page.blocks.filter(isWanted))
    looked += page.blocks.length
    next = page.next
  }
  return { blocks: found, next }
}

export const refuseAsFull = (reply: FastifyReply): FastifyReply =>
  refuse(
    reply,
    409,
    'Conflict',
    'There is no room for so many blocks: unblock some, or block wider ranges in their place.',
  )

/** Why it would have no effect, or one that nobody means. */
const refusalOf = (policy: Policy, cidr: Cidr, confirm: string | undefined): string | undefined => {
  const range = formatCidr(cidr)
  const never = neverBlocked(policy, cidr)
  if (never !== undefined) {
    return `range: all of ${range} lies in ${never.range} of ${never.by}, which is never blocked${never.by === 'this machine' ? '' : ': take that out of the policy first'}.`
  }
  if (!isWide(cidr) || confirm === range) return undefined
  return `range: ${wideRangeProblem(cidr, `where it is meant, send "confirm": "${range}" with it.`)}`
}

/** The admin port itself answers blocked addresses: nothing is lost that cannot be undone. */
const ownAddressWarning = ({ socket }: FastifyRequest, cidr: Cidr): string | undefined => {
  const peer = peerAddress(socket.remoteAddress)
  const own = parseCidr(peer)
  return own !== undefined && covers(cidr, own)
    ? `Your own address, ${peer}, lies in ${formatCidr(cidr)}. The admin port goes on answering you.`
    : undefined
}

const noneOf = (range: string, blocks: BlockStore, nowMs: number): string => {
  const cidr = parseCidr(range) as Cidr
  const covering = blocks
    .covering(cidr.address)
    .filter((block) => block.untilMs > nowMs && covers(parseCidr(block.range) as Cidr, cidr))
    .map((block) => block.range)
  return covering.length === 0
    ? `There is no block of ${range}, nor one that covers it.`
    : `There is no block of exactly ${range}; it is covered by ${covering.join(', ')}: unblock that.`
}

const number = (meaning: string, least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, meaning)
    .transform(Number)
    .pipe(z.int().min(least, meaning).max(most, meaning))

const listQuery = z.strictObject({
  cursor: number('expected `next` of the page before', 0, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('`next` of the page before.'),
  limit: number(`expected a number from 1 to ${PAGE_LIMIT}`, 1, PAGE_LIMIT).optional().describe('Of one page; 100.'),
  source: sourceField().optional(),
  address: addressField().optional().describe('Those that cover it, all on one page.'),
  passed: flagField().optional().describe('Also those that have passed and are remembered.'),
})

const END_MEANING = 'say how long: either "seconds", or "permanent": true'
export const blockBody = z
  .strictObject(
    {
      range: rangeField(),
      seconds: secondsField().optional(),
      permanent: z.literal(true, 'expected true, or nothing at all').optional(),
      reason: reasonField().optional(),
      confirm: rangeField().optional().describe('The range again, where it is wider than /8 (IPv4) or /19 (IPv6).'),
    },
    'expected an object, as in {"range": "192.0.2.7", "seconds": 600, "reason": "scrapes"}',
  )
  .refine(({ seconds, permanent }) => (seconds === undefined) !== (permanent === undefined), END_MEANING)

const rangeParams = z.strictObject({ range: rangeField().describe('With its "/" as %2F.') })
const addressAndBits = z.strictObject({
  address: addressField(),
  bits: z.string().regex(/^\d{1,3}$/, 'expected the length of a prefix, as the 24 in 192.0.2.0/24'),
})
