/** An app that answers at once, until its parent says otherwise: `good`, `failing` (500) or `slow` (after two seconds). */
import { createServer } from 'node:http'

export type Mode = 'good' | 'failing' | 'slow'

const SLOW_MS = 2_000

let mode: Mode = 'good'
process.on('message', (given: Mode) => {
  mode = given
})
process.on('disconnect', () => process.exit())

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume()
  const answer = () => {
    if (mode === 'failing') {
      response.writeHead(500, { 'Content-Type': 'text/plain' }).end('the app fails')
      return
    }
    const isPublic = request.url?.startsWith('/listings/') === true
    const headers = isPublic
      ? { 'Cache-Control': 'public, max-age=5', ETag: `"${request.url}"` }
      : { 'Cache-Control': 'private' }
    response.writeHead(200, { 'Content-Type': 'application/json', ...headers })
    response.end(JSON.stringify({ path: request.url, text: 'a page of the app'.repeat(20) }))
  }
  if (mode === 'slow') setTimeout(answer, SLOW_MS)
  else answer()
})
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.('listens'))
