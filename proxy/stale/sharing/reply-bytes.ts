import { z } from 'zod'
import { CONTENT_KINDS } from '../../cdn/content-kind.ts'
import type { KeptReply } from '../kept-reply.ts'

/** Of this layout: a later release writes another one, which this one leaves alone. */
const LAYOUT = 1
const END_OF_HEADS = 10 // a line feed, which JSON has none of

/** Not what would end a field of a reply, whoever wrote it there. */
const text = z.string().regex(/^[^\r\n\0]*$/)
const wholeSeconds = z.number().int().min(0)

const heads = z.strictObject({
  layout: z.literal(LAYOUT),
  replies: z
    .array(
      z.strictObject({
        status: z.number().int().min(200).max(399),
        statusText: text,
        headers: z.array(text).refine(({ length }) => length % 2 === 0),
        pathAndQuery: text,
        tags: z.array(text),
        vary: z.array(z.strictObject({ lowerName: text, value: text })),
        ageSeconds: wholeSeconds,
        freshSeconds: wholeSeconds.nullable(),
        servableSeconds: wholeSeconds.nullable().describe('Without an end: null.'),
        kind: z.enum(CONTENT_KINDS),
        isSaid: z.boolean(),
        keptMs: z.number().min(0).describe('How long ago it came.'),
        bodyBytes: z.number().int().min(0),
      }),
    )
    .min(1),
})

/** All that is kept of an address, as another instance can read it: what there is to say of each reply as one line of JSON, and the bodies. */
export const writeReplies = (replies: readonly KeptReply[], nowMs: number): Buffer => {
  const told = replies.map(({ body, receivedAtMs, freshSeconds, servableSeconds, ...head }) => ({
    ...head,
    freshSeconds: freshSeconds ?? null,
    servableSeconds: Number.isFinite(servableSeconds) ? servableSeconds : null,
    keptMs: Math.max(0, Math.round(nowMs - receivedAtMs)),
    bodyBytes: body.length,
  }))
  const line = Buffer.from(`${JSON.stringify({ layout: LAYOUT, replies: told })}\n`)
  return Buffer.concat([line, ...replies.map(({ body }) => body)])
}

/**
 * @param passedMs since it was written
 * @returns undefined for what is none, or is another release's
 */
export const readReplies = (bytes: Buffer, passedMs: number, nowMs: number): readonly KeptReply[] | undefined => {
  const end = bytes.indexOf(END_OF_HEADS)
  const read = heads.safeParse(parsed(bytes.toString('utf8', 0, Math.max(0, end))))
  if (!read.success) return undefined
  let at = end + 1
  const replies = read.data.replies.map(({ freshSeconds, servableSeconds, keptMs, bodyBytes, ...head }): KeptReply => {
    const body = Buffer.allocUnsafeSlow(bodyBytes) // a part of the answer would keep all of that alive
    at += bytes.copy(body, 0, at, at + bodyBytes)
    return {
      ...head,
      freshSeconds: freshSeconds ?? undefined,
      servableSeconds: servableSeconds ?? Number.POSITIVE_INFINITY,
      receivedAtMs: nowMs - passedMs - keptMs,
      body,
    }
  })
  const bodyBytes = read.data.replies.reduce((sum, reply) => sum + reply.bodyBytes, 0)
  return end + 1 + bodyBytes === bytes.length ? replies : undefined
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
