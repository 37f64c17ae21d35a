import { writeCaching } from '../cdn/reply-caching.ts'
import type { Layer } from '../layer.ts'
import { setHeader } from '../reply.ts'

/** Tells browsers and the CDN how long they may keep a reply, and by which tags it is purged. */
export const cacheHeaders = (): Layer => ({
  name: 'cache-headers',
  onReply(exchange, head) {
    if (head.status < 200) return // an upgrade: what follows is no reply
    const { caching } = exchange.route ?? exchange.policy
    if (exchange.isOwn) setHeader(head.headers, 'Cache-Control', caching.vendor.nothingKept)
    else writeCaching(caching, exchange, head)
  },
})
