import type { Layer } from '../layer.ts'
import { setHeader } from '../reply.ts'

/** Puts the correlation ID and the trace on every reply, in the place of whatever the app said. */
export const edgeHeaders = (): Layer => ({
  name: 'edge-headers',
  onReply({ correlation }, head) {
    setHeader(head.headers, 'X-Request-ID', correlation.requestId)
    setHeader(head.headers, 'traceparent', correlation.trace.traceparent)
  },
})
