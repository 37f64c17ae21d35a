import { PROBLEM_JSON, problem } from '#shared/problem.ts'
import type { Refusal } from './refusal.ts'
import type { Reply } from './reply.ts'

/**
 * The problem document (RFC 9457) for a refusal. What the client reads here is all that it is told.
 *
 * @param members of the document, beside those of every one, or in their place
 */
export const problemReply = (
  { text, headers: own = [] }: Refusal,
  correlationId: string,
  members: Readonly<Record<string, unknown>> = {},
): Reply & { readonly body: string } => {
  const { status, title, detail } = text
  const body = `${JSON.stringify({ ...problem(status, title, detail, correlationId), ...members })}\n`
  const headers = [
    'Content-Type',
    PROBLEM_JSON,
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
  ]
  if (text.retryAfterSeconds !== undefined) headers.push('Retry-After', String(text.retryAfterSeconds))
  headers.push(...own)
  if (text.closes === true) headers.push('Connection', 'close')
  return { head: { status: text.status, statusText: text.title, headers }, body }
}
