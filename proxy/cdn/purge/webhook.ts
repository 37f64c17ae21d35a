import { createHmac } from 'node:crypto'
import { callCdn } from './cdn-call.ts'
import type { CdnProvider } from './cdn-provider.ts'

/**
 * Any other CDN, by a webhook of the operator's: POST {ids, kind, values, soft} with `Sidegate-Signature: t=…,v1=…`, the seconds since
 * 1970 and the hexadecimal HMAC-SHA-256 of `<t>.<body>` by the token.
 */
export const webhook: CdnProvider = {
  valuesPerCall: (_kind, { valuesPerCall }) => valuesPerCall,
  problemOf: () => undefined,
  send({ kind, values, isSoft, ids }, { url = '' }, token) {
    const body = JSON.stringify({ ids, kind, values, soft: isSoft })
    const seconds = Math.floor(Date.now() / 1_000)
    const signature = createHmac('sha256', token).update(`${seconds}.${body}`).digest('hex')
    return callCdn({
      url,
      headers: { 'Content-Type': 'application/json', 'Sidegate-Signature': `t=${seconds},v1=${signature}` },
      body,
    })
  },
}
