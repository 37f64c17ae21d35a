import { createServer } from 'node:http'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { doEdgeWork, KEEP_ALIVE_TIMEOUT_MS, keepAliveAgent } from './edge-work.ts'
import { entryArguments, LISTEN_BACKLOG } from './entry-arguments.ts'

const { port, upstream } = entryArguments()
const proxy = createProxyMiddleware({
  target: 'socketPath' in upstream ? { ...upstream, protocol: 'http:' } : { protocol: 'http:', ...upstream },
  agent: keepAliveAgent(),
})

createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, (request, response) => {
  doEdgeWork(request, response)
  void proxy(request, response)
}).listen(port, '127.0.0.1', LISTEN_BACKLOG)
