import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface SteadyOutcome {
  readonly requests: number
  /** Replies other than 200, and requests whose connection ended. */
  readonly failed: number
  readonly p99Ms: number
}

const REQUEST = 'GET /listings/42 HTTP/1.1\r\nHost: a.example\r\n\r\n'

/** Sends GETs at a fixed rate, spread over keep-alive connections, for a time; a reply is one whose body ends in `ok`. */
export const sendSteadily = async (
  origin: string,
  { requestsPerSecond, connections, forMs }: { requestsPerSecond: number; connections: number; forMs: number },
): Promise<SteadyOutcome> => {
  const { hostname, port } = new URL(origin)
  const latenciesMs: number[] = []
  let requests = 0
  let failed = 0
  const intervalMs = (connections * 1_000) / requestsPerSecond
  const endsAtMs = performance.now() + forMs
  const onConnection = async (index: number): Promise<void> => {
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy()) // counted by its close
    await once(socket, 'connect')
    let dueMs = performance.now() + (index / connections) * intervalMs
    while (performance.now() < endsAtMs) {
      // Late by the machine's fault, it goes on from now: what is counted is what the proxy made of it.
      dueMs = Math.max(dueMs, performance.now())
      await delay(dueMs - performance.now())
      dueMs += intervalMs
      requests++
      const sentAtMs = performance.now()
      socket.write(REQUEST)
      const reply = await replyOn(socket)
      latenciesMs.push(performance.now() - sentAtMs)
      if (!reply.startsWith('HTTP/1.1 200 ')) failed++
      if (reply === '') return
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: connections }, (_, index) => onConnection(index)))
  latenciesMs.sort((a, b) => a - b)
  return { requests, failed, p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)] ?? Number.NaN }
}

/** Empty where the connection ends without one. */
const replyOn = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let received = ''
    const onData = (bytes: Buffer) => {
      received += bytes.toString('latin1')
      if (received.includes('\r\n\r\n')) finish(received)
    }
    const onClose = () => finish('')
    const finish = (reply: string) => {
      socket.off('data', onData)
      socket.off('close', onClose)
      resolve(reply)
    }
    socket.on('data', onData)
    socket.on('close', onClose)
  })
