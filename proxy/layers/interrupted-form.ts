import { interruptedForm } from '../challenge-page/form-fields.ts'
import type { Interrupted } from '../challenge-page/page.ts'
import type { BodyCollector } from '../client/body-collector.ts'
import { Exchange } from '../exchange.ts'
import { isFromHere } from '../facts/navigation.ts'
import { fieldValue } from '../headers.ts'
import type { Facts } from '../layer.ts'

const BODY_LIMIT_BYTES = 65_536

/**
 * What a browser had sent, where the page of the challenge may send it again. Only what a page of this origin has sent: a
 * form of another site would come back as one of our own, with cookies (`SameSite`) and an `Origin` that would let a
 * forged request through.
 *
 * @returns undefined where it may not, or where the facts are a candidate's, whose page nobody sees
 */
export const readInterrupted = (facts: Facts, bodies: BodyCollector): Promise<Interrupted> | undefined => {
  const { rawHeaders } = facts.request
  const isForm = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i.test(fieldValue(rawHeaders, 'content-type') ?? '')
  if (!(facts instanceof Exchange) || !isForm || !isFromHere(rawHeaders)) return undefined
  return bodies
    .collect(facts, BODY_LIMIT_BYTES)
    .then((body) => (Buffer.isBuffer(body) ? (interruptedForm(body) ?? 'lost') : 'lost'))
}
