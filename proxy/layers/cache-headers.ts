import { writeCaching } from '../cdn/reply-caching.ts'
import type { Layer } from '../layer.ts'
import { setHeader } from '../reply.ts'

/** Tells browsers and the CDN how long they may keep a reply, and by which tags it is purged. */
export const cacheHeaders = (): Layer => ({
  name: 'cache-headers',
  onReply(exchange, head) {
    if (head.status < 200) return undefined // an upgrade: what follows is no reply
    const { caching } = exchange.route ?? exchange.policy
    // An earlier reply of the app is the app's.
    if (exchange.isOwn && exchange.staleCause === undefined) {
      setHeader(head.headers, 'Cache-Control', caching.vendor.nothingKept)
    } else writeCaching(caching, exchange, head)
    return undefined
  },
})
