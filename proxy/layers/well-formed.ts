import { type Layer, PASS } from '../layer.ts'
import { refusal } from '../refusal.ts'
import { expectsTheUnknown, malformation } from '../well-formed.ts'

/** Refuses request heads that could be read in two ways, over-long targets, tunnels and unknown expectations. */
export const wellFormed = (): Layer => ({
  name: 'well-formed',
  admit(exchange) {
    const wrong = malformation(exchange.request)
    if (wrong !== undefined) return refusal('malformed-request', wrong)
    if (exchange.request.target.length > exchange.limits.targetBytes) return refusal('uri-too-long')
    if (exchange.method === 'CONNECT') return refusal('tunnel-refused')
    if (expectsTheUnknown(exchange.request)) return refusal('expectation-failed')
    if (exchange.target === undefined) return refusal('malformed-request', 'a target that is no path')
    return PASS
  },
})
