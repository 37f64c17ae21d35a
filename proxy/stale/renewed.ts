import { fieldValue } from '../headers.ts'
import type { ReplyHead } from '../reply.ts'
import { type KeptFor, keepable } from './keepable.ts'
import { copiedFields, type KeptReply } from './kept-reply.ts'
import { hasTag } from './served-reply.ts'

/** What a 304 does not tell anew of the reply that it confirms (RFC 9111 §3.2). */
const STAYS = new Set(['content-encoding', 'content-length', 'content-range', 'content-type'])

/**
 * A kept reply that the app's 304 says is good still (RFC 9111 §4.3.4): its fields are those of the 304, where that has them.
 *
 * @returns undefined where the 304 is of another one, or what is kept must not be any more
 */
export const renewed = (
  kept: KeptReply,
  request: KeptFor,
  { headers: news }: ReplyHead,
  nowMs: number,
): KeptReply | undefined => {
  const own = fieldValue(kept.headers, 'etag')
  const confirmed = fieldValue(news, 'etag') ?? fieldValue(request.rawHeaders, 'if-none-match')
  if (own === undefined || confirmed === undefined || !hasTag(confirmed, own)) return undefined
  const told = new Set<string>()
  for (let index = 0; index < news.length; index += 2) told.add((news[index] as string).toLowerCase())
  const headers = [
    ...without(kept.headers, (name) => told.has(name) && !STAYS.has(name)),
    ...without(news, (name) => STAYS.has(name)),
  ]
  const found = keepable(request, kept.status, headers)
  return found && { ...kept, ...found, headers: copiedFields(headers), receivedAtMs: nowMs }
}

const without = (headers: readonly string[], isLeftOut: (lowerName: string) => boolean): string[] => {
  const rest: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    if (!isLeftOut((headers[index] as string).toLowerCase()))
      rest.push(headers[index] as string, headers[index + 1] as string)
  }
  return rest
}
