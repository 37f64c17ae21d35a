import { challengePage, type Interrupted } from '../challenge-page/page.ts'
import { fieldValue } from '../headers.ts'
import type { Facts } from '../layer.ts'
import { problemReply } from '../problem-reply.ts'
import { type Refusal, refusal } from '../refusal.ts'
import type { Reply } from '../reply.ts'
import type { Challenged, Provider } from '../state/challenge/providers/provider.ts'
import { CHALLENGE_PATH } from './own-paths.ts'

/** Who is asked, or answers, by its request. */
export const challengedBy = ({ clientAddress, request }: Facts, key: string): Challenged => ({
  key,
  address: clientAddress,
  hostname: (fieldValue(request.rawHeaders, 'host') ?? '').replace(/:\d*$/, '').toLowerCase(),
})

/**
 * The refusal that asks: a page for who shows one, else a problem document with the puzzle in it. The puzzle is made when
 * the reply is, which it never is for a candidate in shadow.
 *
 * @param page what the page is to say of what was sent; false for no page
 */
export const challenged = (
  facts: Facts,
  client: string,
  provider: Provider,
  reason: string,
  page: Interrupted | false,
): Refusal => {
  const policy = facts.policy.policy.challenge
  const refused = refusal('challenged', reason)
  const puzzle = () => provider.puzzle(challengedBy(facts, client), policy)
  return {
    ...refused,
    reply(correlationId) {
      if (page === false) {
        const challenge = { ...puzzle(), answerTo: CHALLENGE_PATH }
        return problemReply(refused, correlationId, { challenge })
      }
      return pageReply(
        challengePage({
          puzzle: puzzle(),
          thirdParty: provider.thirdParty,
          interrupted: page,
          clearanceSeconds: policy.clearanceSeconds,
          correlationId,
        }),
      )
    },
  }
}

const pageReply = ({ html, policy }: ReturnType<typeof challengePage>): Reply => ({
  head: {
    status: 403,
    statusText: 'Forbidden',
    headers: [
      ...['Content-Type', 'text/html; charset=utf-8', 'Content-Length', String(Buffer.byteLength(html))],
      ...['Cache-Control', 'no-store', 'Content-Security-Policy', policy],
      ...['X-Content-Type-Options', 'nosniff', 'Referrer-Policy', 'same-origin'],
    ],
  },
  body: html,
})
