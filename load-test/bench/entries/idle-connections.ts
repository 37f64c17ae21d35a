/** Opens so many connections to a port, sends one request on each, says so, and holds them until it is ended. */
import { connect } from 'node:net'
import { PATHS } from '../request.ts'

/** More at once would be turned away by the queues of listeners. */
const AT_ONCE = 100
const REPLY_TIMEOUT_MS = 20_000

const [port, connections] = process.argv.slice(2).map(Number)
if (port === undefined || connections === undefined) throw new Error('expected a port and a number of connections')

const request = `GET ${PATHS.small} HTTP/1.1\r\nHost: api.example.com\r\nAccept: */*\r\n\r\n`

const openOne = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    let reply = ''
    const timer = setTimeout(() => reject(new Error('no reply')), REPLY_TIMEOUT_MS)
    socket.on('data', (chunk) => {
      reply += chunk.toString('latin1')
      if (!isWhole(reply)) return
      clearTimeout(timer)
      resolve()
    })
    // One that is closed on us is none that is held.
    socket.on('close', () => fail(new Error('the peer closed a connection')))
    socket.on('error', reject)
    socket.write(request)
  })

const fail = (error: Error): void => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}

const isWhole = (reply: string): boolean => {
  const headEnd = reply.indexOf('\r\n\r\n')
  if (headEnd === -1) return false
  const length = Number(/^content-length: *(\d+)/im.exec(reply.slice(0, headEnd))?.[1])
  if (!reply.startsWith('HTTP/1.1 200') || Number.isNaN(length))
    fail(new Error(`the reply begins ${reply.slice(0, 60)}`))
  return reply.length >= headEnd + 4 + length
}

for (let open = 0; open < connections; open += AT_ONCE) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, connections - open) }, openOne))
}
process.stdout.write('all are open\n')
