import { Readable } from 'node:stream'
import { setImmediate as others } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type Clock, systemClock } from '#shared/clock.ts'
import { inTurns } from '#shared/in-turns.ts'
import type { Logger } from '#shared/log.ts'
import { type Cidr, parseCidr } from '../state/addresses/cidr.ts'
import type { Block } from '../state/blocks/block.ts'
import { type BlockLine, blockLine, slicesOfBlockLines } from '../state/blocks/block-lines.ts'
import type { BlockStore } from '../state/blocks/block-store.ts'
import { audit } from './audit.ts'
import { rangeField, reasonField, secondsText, sourceField } from './block-fields.ts'
import { type BlockParts, refuseAsFull } from './block-routes.ts'
import { manualBlock } from './manual-block.ts'
import { neverBlocked } from './never-blocked.ts'
import { refuse } from './refuse.ts'

const LINES_LIMIT = 100_000
const LINES_BYTES = 8 * 1_048_576
/** Blocks of an export: few milliseconds of the loop. */
const PAGE = 500

/** Blocks as plain lines (block-lines.ts), out and in. Both leave the loop to others between slices, however many there are. */
export const blockLinesRoutes = (
  admin: FastifyInstance,
  { blocks, policies }: BlockParts,
  log: Logger,
  clock: Clock = systemClock,
): void => {
  admin.removeAllContentTypeParsers()
  admin.addContentTypeParser('text/plain', { parseAs: 'string', bodyLimit: LINES_BYTES }, (_request, text, done) =>
    done(null, text),
  )

  admin.get<{ Querystring: z.output<typeof exportQuery> }>(
    '/api/blocks/lines',
    { schema: { operationId: 'exportBlocks', querystring: exportQuery }, config: { role: 'read' } },
    ({ query: { source } }, reply) => {
      const isWanted = (block: Block) =>
        (source === undefined || block.source === source) && block.untilMs > clock.wallMs()
      return reply
        .type('text/plain; charset=utf-8')
        .send(Readable.from(exported(blocks, isWanted), { objectMode: false }))
    },
  )

  admin.post<{ Querystring: z.output<typeof importQuery>; Body: string | undefined }>(
    '/api/blocks/lines',
    {
      schema: { operationId: 'importBlocks', querystring: importQuery },
      config: { role: 'operate' },
      bodyLimit: LINES_BYTES,
    },
    async (request, reply) => {
      const { seconds, permanent, reason = '', confirm = [] } = request.query
      const isEndGiven = seconds !== undefined || permanent !== undefined
      const reading = { isEndGiven, confirmed: confirm, linesLimit: LINES_LIMIT }
      const text = request.body ?? ''
      // Read once to see that it is well, and once more to do it: 100,000 lines that are kept would be long collections of garbage.
      const problems = await inTurns(slicesOfBlockLines(text, reading))
      if (problems.length > 0) {
        return refuse(reply, 422, 'Unprocessable Content', 'The list has problems; nothing of it is taken.', {
          problems,
        })
      }
      if (!blocks.hasRoomFor(LINES_LIMIT)) return refuseAsFull(reply)
      const nowMs = clock.wallMs()
      const author = request.caller.name
      const { forgetAfterSeconds } = policies.active.policy.blocking
      const untilMs = seconds === undefined ? Number.POSITIVE_INFINITY : nowMs + seconds * 1_000
      const toOrder = (line: BlockLine) =>
        manualBlock(
          { range: line.range, untilMs: line.untilMs ?? untilMs, reason: line.reason === '' ? reason : line.reason },
          { author, nowMs, forgetAfterSeconds, before: blocks.get(line.range) },
        )
      const { policy, neverBlocked: addresses } = policies.active
      const isInVain = (line: BlockLine) => {
        const cidr = parseCidr(line.range) as Cidr
        return addresses.has(cidr.address) && neverBlocked(policy, cidr) !== undefined
      }
      const sum = { blocked: 0, passed: 0, withoutEffect: 0, isFleetTold: true }
      for (const lines of slicesOfBlockLines(text, reading)) {
        // An export grows old: those whose end has come are passed over.
        const lasting = lines.filter((line) => (line.untilMs ?? untilMs) > nowMs)
        const orders = lasting.map(toOrder)
        sum.blocked += orders.length
        sum.passed += lines.length - orders.length
        sum.withoutEffect += lasting.filter(isInVain).length
        if (orders.length > 0) sum.isFleetTold = (await blocks.block(orders)).isFleetTold && sum.isFleetTold
        await others()
      }
      audit(log, request, 'blocks imported', { ...sum, reason })
      return reply.send(sum)
    },
  )
}

async function* exported(blocks: BlockStore, isWanted: (block: Block) => boolean): AsyncGenerator<string> {
  for (let cursor: number | undefined = 0; cursor !== undefined; ) {
    const page = blocks.page(cursor, PAGE)
    const lines = page.blocks.filter(isWanted).map(blockLine).join('')
    if (lines !== '') yield lines
    cursor = page.next
    await others()
  }
}

const exportQuery = z.strictObject({ source: sourceField().optional() })

const importQuery = z
  .strictObject({
    seconds: secondsText().optional().describe('For lines that do not say when they end.'),
    permanent: z.literal(['', 'true'], 'expected permanent=true').optional().describe('The same, without an end.'),
    reason: reasonField().optional().describe('For lines that have none.'),
    confirm: z
      .string()
      .transform((text) => text.split(','))
      .pipe(z.array(rangeField()))
      .optional()
      .describe('Ranges wider than /8 (IPv4) or /19 (IPv6) that are meant, with commas between them.'),
  })
  .refine(
    ({ seconds, permanent }) => seconds === undefined || permanent === undefined,
    'give seconds or permanent, not both',
  )
