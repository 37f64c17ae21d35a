import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection on which a test says exactly what it means, byte by byte. */
export interface RawClient {
  readonly socket: Socket
  /** All that came back so far, as latin1. */
  received(): string
  send(bytes: string | Buffer): void
  /** Resolves with all that came back once it fits; rejects when the connection ends before. */
  until(fits: string | RegExp): Promise<string>
  /** Resolves with all that came back once the other side has closed. */
  closed(): Promise<string>
}

export const rawClient = async (port: number): Promise<RawClient> => {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: false })
  socket.setNoDelay(true)
  const chunks: Buffer[] = []
  const received = () => Buffer.concat(chunks).toString('latin1')
  const watchers = new Set<() => void>()
  const notify = () => {
    for (const watcher of [...watchers]) watcher()
  }
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    notify()
  })
  let isClosed = false
  socket.on('error', () => notify()) // a reset ends in `close`, which is what tests wait for
  socket.on('close', () => {
    isClosed = true
    notify()
  })
  await once(socket, 'connect')
  const when = (fits: () => boolean, mayClose: boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = () => {
        if (fits()) resolve(received())
        else if (isClosed && !mayClose) reject(new Error(`connection closed after ${JSON.stringify(received())}`))
        else return
        watchers.delete(check)
      }
      watchers.add(check)
      check()
    })
  return {
    socket,
    received,
    send: (bytes) => {
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    },
    until: (fits) => when(() => (typeof fits === 'string' ? received().includes(fits) : fits.test(received())), false),
    closed: () => when(() => isClosed, true),
  }
}
