import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { compose } from '../compose.ts'
import type { Exchange } from '../exchange.ts'
import { Later, type Layer, type Verdict } from '../layer.ts'
import { rescue } from '../layers/rescue.ts'
import { TrafficCounts } from '../layers/traffic.ts'
import type { Reply } from '../reply.ts'
import { ProxyServer } from '../server.ts'
import { type RawClient, rawClient } from '../testing/raw-client.ts'
import { calm } from '../testing/unshared-state.ts'
import { BodyCollector } from './body-collector.ts'

const LIMIT_BYTES = 100

/** A server that answers with the body that it has read, or with why it has not. */
const start = (bodies: BodyCollector): Promise<() => Promise<RawClient>> =>
  serve((exchange) => new Later(bodies.collect(exchange, LIMIT_BYTES).then((body) => reply(String(body)))))

const reply = (body: string): Reply => {
  const headers = ['Content-Length', String(Buffer.byteLength(body))]
  return { head: { status: 200, statusText: 'OK', headers }, body }
}

const serve = async (admit: (exchange: Exchange) => Verdict | Later): Promise<() => Promise<RawClient>> => {
  const echo: Layer = { name: 'echo', admit }
  const limits = {
    ...{ targetBytes: 1_000, headerBytes: 4_000, uploadIdleMs: 60_000, downloadIdleMs: 60_000, upgradeIdleMs: 60_000 },
    ...{ unreadBodyBytes: 10_000, headersTimeoutMs: 60_000, keepAliveTimeoutMs: 60_000 },
  }
  const pipeline = compose(
    [rescue(), echo],
    () => undefined,
    () => undefined,
  )
  const server = new ProxyServer(pipeline, calm, limits, new TrafficCounts(), pino({ level: 'silent' }))
  await server.port.open('127.0.0.1', 0)
  onTestFinished(() => {
    server.cut()
    server.stopAccepting()
    server.close()
  })
  return () => rawClient(server.port.address.port)
}

const head = (...fields: string[]) => `POST / HTTP/1.1\r\nHost: a\r\n${fields.join('\r\n')}\r\n\r\n`
const LENGTH = (bytes: number) => `Content-Length: ${bytes}`
const CHUNKED = 'Transfer-Encoding: chunked'
const replied = (client: RawClient, body: string) => client.until(new RegExp(`\r\n\r\n${body}$`))

it('a body is read whole, in whatever pieces it comes, and the next request after it', async () => {
  const connect = await start(new BodyCollector(1_000, 60_000))
  const client = await connect()
  client.send(`${head(CHUNKED)}3\r\nabc\r\n`)
  client.send('2\r\nde')
  client.send('\r\n0\r\n\r\n')
  await replied(client, 'abcde')
  client.send(`${head(LENGTH(5))}fghij${head(LENGTH(0))}`)
  await client.until(/fghij.*\r\n\r\n$/s)
  client.send(head(LENGTH(2), 'Expect: 100-continue'))
  await client.until('HTTP/1.1 100 Continue')
  client.send('kl')
  await replied(client, 'kl')
})

it('more than the limit is not read, whether it is said before or not', async () => {
  const connect = await start(new BodyCollector(1_000, 60_000))
  const client = await connect()
  client.send(head(LENGTH(LIMIT_BYTES + 1)))
  await replied(client, 'too-large')
  const other = await connect()
  other.send(`${head(CHUNKED)}64\r\n${'x'.repeat(100)}\r\n`)
  other.send('1\r\ny\r\n')
  await replied(other, 'too-large')
})

it('bodies under way share their memory, also while nothing of them comes, and give it back', async () => {
  const connect = await start(new BodyCollector(2 * LIMIT_BYTES, 60_000))
  const [one, two, three] = [await connect(), await connect(), await connect()]
  one.send(head(CHUNKED)) // may be as large as the limit
  two.send(head(LENGTH(60)))
  await expect
    .poll(async () => {
      const probe = await connect()
      probe.send(`${head(LENGTH(41))}${'p'.repeat(41)}`)
      const text = await probe.until(/(busy|p{41})$/)
      probe.socket.destroy()
      return text.endsWith('busy')
    })
    .toBe(true)
  three.send(`${head(LENGTH(40))}${'z'.repeat(40)}`)
  await replied(three, 'z{40}')
  one.send('0\r\n\r\n')
  await replied(one, '')
  three.send(`${head(LENGTH(100))}${'z'.repeat(100)}`)
  await replied(three, 'z{100}')
})

it('a body that does not come in time is not waited for, nor is a client that has left, and no later body is touched', async () => {
  const connect = await start(new BodyCollector(LIMIT_BYTES, 200))
  const left = await connect()
  left.send(head(LENGTH(100)))
  left.socket.destroy()
  const slow = await connect()
  await expect
    .poll(async () => {
      const probe = await connect()
      probe.send(`${head(LENGTH(1))}p`)
      const text = await probe.until(/(busy|p)$/)
      probe.socket.destroy()
      return text.endsWith('\r\n\r\np')
    })
    .toBe(true)
  slow.send(`${head(LENGTH(10))}abc`)
  await replied(slow, 'late')
  slow.send(`defghij${head(LENGTH(2))}ok`)
  await replied(slow, 'ok')
})

it('a body that was given up for another reason is let go of at its deadline, and the next one on its connection is not', async () => {
  const [short, long] = [new BodyCollector(1_000, 50), new BodyCollector(1_000, 60_000)]
  const ended: unknown[] = []
  const connect = await serve((exchange) => {
    if (exchange.method === 'POST') {
      return new Later(long.collect(exchange, LIMIT_BYTES).then((body) => reply(String(body))))
    }
    void short.collect(exchange, LIMIT_BYTES).then((body) => ended.push(body))
    return reply('answered')
  })
  const client = await connect()
  client.send(head(LENGTH(5)).replace('POST', 'PUT'))
  await replied(client, 'answered')
  client.send(`abcde${head(LENGTH(2))}o`)
  await expect.poll(() => ended).toEqual(['late'])
  client.send('k')
  await replied(client, 'ok')
})
