import { createServer } from 'node:http'
import { createProxyServer } from 'http-proxy-3'
import { doEdgeWork, KEEP_ALIVE_TIMEOUT_MS, keepAliveAgent } from './edge-work.ts'
import { entryArguments, LISTEN_BACKLOG } from './entry-arguments.ts'

const { port, upstream } = entryArguments()
const proxy = createProxyServer({
  target: 'socketPath' in upstream ? { ...upstream, host: 'localhost', port: 80 } : { protocol: 'http:', ...upstream },
  agent: keepAliveAgent(),
})
proxy.on('error', (_error, _request, response) => response.destroy())

createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, (request, response) => {
  doEdgeWork(request, response)
  proxy.web(request, response)
}).listen(port, '127.0.0.1', LISTEN_BACKLOG)
