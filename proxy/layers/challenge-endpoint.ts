import type { BodyCollector } from '../client/body-collector.ts'
import type { Exchange } from '../exchange.ts'
import { clientKey } from '../facts/client-key.ts'
import { isFromElsewhere } from '../facts/navigation.ts'
import { fieldValue } from '../headers.ts'
import { type Facts, Later, type Layer, PASS, type Verdict } from '../layer.ts'
import { problemReply } from '../problem-reply.ts'
import { type Refusal, type RefusalKind, refusal } from '../refusal.ts'
import type { Reply } from '../reply.ts'
import type { AnswerAttempts } from '../state/challenge/answer-attempts.ts'
import type { Clearances } from '../state/challenge/clearance.ts'
import { CLEARANCE_HEADER, clearanceCookie } from '../state/challenge/clearance-fields.ts'
import type { AnswerResult } from '../state/challenge/counts.ts'
import type { Provider, Verified } from '../state/challenge/providers/provider.ts'
import type { Policy } from '../state/policy/schema.ts'
import { challengedBy } from './challenge-refusal.ts'
import { CHALLENGE_PATH } from './own-paths.ts'

/** What answers need from outside. */
export interface Answering {
  readonly providers: { of(policy: Policy['challenge']): Provider }
  readonly clearances: Clearances
  readonly bodies: BodyCollector
  readonly attempts: AnswerAttempts
  onResult(result: AnswerResult): void
  /** A client is let in whom the provider could not be asked about. @param reason why it could not */
  onUnverified(reason: string): void
  /** What a client that means well does not send often. */
  onFailedAnswer(facts: Facts, result: FailedAnswer): void
}

/** Of these a client is to blame for: one that came too late is not among them, nor what is no answer at all. */
export type FailedAnswer = 'forged' | 'wrong' | 'replayed' | 'other-address' | 'rejected'

const BODY_LIMIT_BYTES = 16_384
/** What an answer opens that nobody could check: enough to go on, and asked again soon. */
const UNVERIFIED_SECONDS = 300

/**
 * Where challenges are answered, below all that refuses:
 *
 *     GET  /__sidegate/challenge   a puzzle
 *     POST /__sidegate/challenge   its answer, for a clearance: as a cookie, and in the JSON
 *
 * A page of another origin gets nothing here, and so cannot use its visitors' addresses up: what it can send without
 * asking first is refused before it is counted, and what it must ask for (JSON) it is not allowed.
 */
export const challengeEndpoint = (d: Answering): Layer => ({
  name: 'challenge-endpoint',
  admit(exchange) {
    if (exchange.path !== CHALLENGE_PATH) return PASS
    const { method } = exchange
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') {
      return { ...refusal('no-such-method'), headers: ['Allow', 'GET, HEAD, POST'] }
    }
    if (isFromElsewhere(exchange.request.rawHeaders)) {
      const refused = refusal('answer-refused', 'a page of another origin')
      return { ...refused, reply: (id) => problemReply(refused, id, { detail: FOREIGN }) }
    }
    const client = clientKey(exchange)
    const waitSeconds = d.attempts.take(client)
    if (waitSeconds > 0) {
      d.onResult('limited')
      return { ...refusal('answers-limited'), headers: ['Retry-After', String(waitSeconds)] }
    }
    return method === 'POST' ? new Later(answered(d, exchange, client)) : puzzleReply(d, exchange, client)
  },
})

const puzzleReply = (d: Answering, exchange: Exchange, client: string): Reply => {
  const policy = exchange.policy.policy.challenge
  const challenge = d.providers.of(policy).puzzle(challengedBy(exchange, client), policy)
  return jsonReply({ challenge: { ...challenge, answerTo: CHALLENGE_PATH } }, [])
}

const answered = async (d: Answering, exchange: Exchange, client: string): Promise<Verdict> => {
  const refuse = (kind: RefusalKind, reason: string, ...errors: Parameters<typeof inField>): Refusal => {
    d.onResult('malformed')
    return { ...refusal(kind, reason), reply: (id) => problemReply(refusal(kind), id, inField(...errors)) }
  }
  const { rawHeaders } = exchange.request
  if (!/^application\/json[ \t]*(?:;|$)/i.test(fieldValue(rawHeaders, 'content-type') ?? '')) {
    return refuse('answer-type', 'no JSON', 'header', 'Content-Type', 'expected application/json')
  }
  const body = await d.bodies.collect(exchange, BODY_LIMIT_BYTES)
  if (body === 'too-large') return refuse('answer-too-large', 'too large', 'body', '', 'expected 16 KiB at most')
  if (body === 'late') return refusal('request-timeout', 'the answer did not come in time')
  if (body === 'busy') return refusal('answer-unchecked', 'too many answers on their way')
  const answer = parseJson(body)
  if (answer === undefined) return refuse('answer-malformed', 'no JSON', 'body', '', 'expected JSON in UTF-8')

  const policy = exchange.policy.policy.challenge
  const verified = await d.providers.of(policy).verify(answer, challengedBy(exchange, client), policy)
  d.onResult(verified.result)
  return verdictOn(d, exchange, client, verified)
}

const verdictOn = (d: Answering, exchange: Exchange, client: string, verified: Verified): Verdict => {
  const { clearanceSeconds } = exchange.policy.policy.challenge
  switch (verified.result) {
    case 'solved':
      return clearanceReply(d, exchange, client, clearanceSeconds)
    case 'unverified':
      d.onUnverified(verified.reason ?? '')
      return clearanceReply(d, exchange, client, Math.min(clearanceSeconds, UNVERIFIED_SECONDS))
    case 'malformed': {
      const { problems } = verified
      const refused = refusal('answer-malformed', problems.map(({ pointer, detail }) => `${pointer} ${detail}`).join())
      return { ...refused, reply: (id) => problemReply(refused, id, { errors: problems }) }
    }
    case 'unavailable':
      return refusal('answer-unchecked', verified.reason)
    default: {
      const { result, reason } = verified
      if (result !== 'expired') d.onFailedAnswer(exchange, result)
      const refused = refusal('answer-refused', reason === undefined ? result : `${result}: ${reason}`)
      return { ...refused, reply: (id) => problemReply(refused, id, { result, detail: REMEDIES[result] }) }
    }
  }
}

const FOREIGN = 'A page of another origin may neither ask for a puzzle here nor answer one.'
const ANEW = `get a new one with GET ${CHALLENGE_PATH}`
const REMEDIES: Readonly<Record<FailedAnswer | 'expired', string>> = {
  forged: `The puzzle is none of this service, or has been changed: ${ANEW}, and send its members back as they are.`,
  wrong: `The number does not solve the puzzle, or the salt has been changed: ${ANEW}, and solve that.`,
  expired: `The answer came after the puzzle had expired: ${ANEW}, and answer it before its expiresAt.`,
  replayed: `The puzzle has been answered before, and each is good for one answer: ${ANEW}.`,
  'other-address': `The puzzle was made for a client with another address: ${ANEW}, from the address that will use the clearance.`,
  rejected:
    'The provider of the challenge does not accept the token: load the page again, and complete the check anew.',
}

const clearanceReply = (d: Answering, exchange: Exchange, client: string, lifeSeconds: number): Reply => {
  const { token, expiresAtMs } = d.clearances.issue(client, lifeSeconds)
  return jsonReply({ clearance: token, header: CLEARANCE_HEADER, expiresAt: new Date(expiresAtMs).toISOString() }, [
    'Set-Cookie',
    clearanceCookie(token, lifeSeconds, exchange.from.scheme === 'https'),
  ])
}

const jsonReply = (document: unknown, headers: readonly string[]): Reply => {
  const body = `${JSON.stringify(document)}\n`
  return {
    head: {
      status: 200,
      statusText: 'OK',
      headers: [
        ...['Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body))],
        ...['Cache-Control', 'no-store', ...headers],
      ],
    },
    body,
  }
}

const inField = (where: 'body' | 'header', pointer: string, detail: string) => ({
  errors: [{ in: where, pointer, detail }],
})

const utf8 = new TextDecoder('utf-8', { fatal: true })

const parseJson = (body: Buffer): unknown => {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    return undefined // which no JSON is, and which is told to the client
  }
}
