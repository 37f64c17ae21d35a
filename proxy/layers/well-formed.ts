import { type Layer, PASS } from '../layer.ts'
import { refusal } from '../refusal.ts'
import { malformation } from '../well-formed.ts'

/** Refuses request heads that could be read in two ways, and over-long targets. */
export const wellFormed = (): Layer => ({
  name: 'well-formed',
  admit(exchange) {
    const wrong = malformation(exchange.request)
    if (wrong !== undefined) return refusal('malformed-request', wrong)
    if (exchange.path.length > exchange.limits.targetBytes) return refusal('uri-too-long')
    if (exchange.target === undefined) return refusal('malformed-request', 'a target that is no path')
    return PASS
  },
})
