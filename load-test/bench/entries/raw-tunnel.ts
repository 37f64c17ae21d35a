import { connect, createServer } from 'node:net'
import { entryArguments, LISTEN_BACKLOG } from './entry-arguments.ts'

const { port, upstream } = entryArguments()
const upstreamAddress = 'socketPath' in upstream ? { path: upstream.socketPath } : upstream

createServer({ noDelay: true }, (client) => {
  const app = connect({ ...upstreamAddress, noDelay: true })
  const end = () => {
    client.destroy()
    app.destroy()
  }
  for (const socket of [client, app]) socket.on('error', end)
  client.pipe(app).pipe(client)
}).listen(port, '127.0.0.1', LISTEN_BACKLOG)
