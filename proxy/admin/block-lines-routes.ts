import { Readable } from 'node:stream'
import { setImmediate as others } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type Clock, systemClock } from '#shared/clock.ts'
import { inTurns } from '#shared/in-turns.ts'
import type { Logger } from '#shared/log.ts'
import type { Block } from '../state/blocks/block.ts'
import { type BlockLine, blockLine, readingBlockLines } from '../state/blocks/block-lines.ts'
import type { BlockOrder, BlockStore } from '../state/blocks/block-store.ts'
import { audit } from './audit.ts'
import { rangeField, reasonField, secondsText, sourceField } from './block-fields.ts'
import type { BlockParts } from './block-routes.ts'
import { manualBlock } from './manual-block.ts'
import { refuse } from './refuse.ts'

const LINES_LIMIT = 100_000
const LINES_BYTES = 8 * 1_048_576
/** A page of an export, and a slice of an import: few milliseconds of the loop. */
const SLICE = 500

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
      const found = await inTurns(readingBlockLines(request.body ?? '', reading))
      if (found.kind === 'bad') {
        const { problems } = found
        return refuse(reply, 422, 'Unprocessable Content', 'The list has problems; nothing of it is taken.', {
          problems,
        })
      }
      const nowMs = clock.wallMs()
      const author = request.caller.name
      const { forgetAfterSeconds } = policies.active.policy.blocking
      const untilMs = seconds === undefined ? Number.POSITIVE_INFINITY : nowMs + seconds * 1_000
      const toOrder = (line: BlockLine) =>
        manualBlock(
          { range: line.range, untilMs: line.untilMs ?? untilMs, reason: line.reason === '' ? reason : line.reason },
          { author, nowMs, forgetAfterSeconds, before: blocks.get(line.range) },
        )
      const { orders, passed } = await inTurns(ordering(found.lines, toOrder, nowMs))
      const isFleetTold = await applied(blocks, orders)
      audit(log, request, 'blocks imported', { blocked: orders.length, passed, reason, isFleetTold })
      return reply.send({ blocked: orders.length, passed, isFleetTold })
    },
  )
}

async function* exported(blocks: BlockStore, isWanted: (block: Block) => boolean): AsyncGenerator<string> {
  for (let cursor: number | undefined = 0; cursor !== undefined; ) {
    const page = blocks.page(cursor, SLICE)
    const lines = page.blocks.filter(isWanted).map(blockLine).join('')
    if (lines !== '') yield lines
    cursor = page.next
    await others()
  }
}

/** One for each range, of several lines the last. Those whose end has come are passed over: an export grows old. */
function* ordering(
  lines: readonly BlockLine[],
  toOrder: (line: BlockLine) => BlockOrder,
  nowMs: number,
): Generator<undefined, { orders: readonly BlockOrder[]; passed: number }> {
  const last = new Map<string, BlockLine>()
  for (const [index, line] of lines.entries()) {
    last.set(line.range, line)
    if (index % SLICE === 0) yield
  }
  const orders: BlockOrder[] = []
  let looked = 0
  for (const line of last.values()) {
    if (line.untilMs === undefined || line.untilMs > nowMs) orders.push(toOrder(line))
    if (++looked % SLICE === 0) yield
  }
  return { orders, passed: last.size - orders.length }
}

/** @returns whether the fleet has all of them */
const applied = async (blocks: BlockStore, orders: readonly BlockOrder[]): Promise<boolean> => {
  let isFleetTold = true
  for (let at = 0; at < orders.length; at += SLICE) {
    const change = await blocks.block(orders.slice(at, at + SLICE))
    isFleetTold &&= change.isFleetTold
    await others()
  }
  return isFleetTold
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
