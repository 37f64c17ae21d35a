import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { Dice } from './testing/generated-replies.ts'
import { rawClient } from './testing/raw-client.ts'
import { rawReplies } from './testing/raw-replies.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from './testing/start-upstream.ts'

/*
 * Memory that replies are read into is used again. Here each body's bytes are told by its key and their offset, so
 * that one that was overwritten before it was sent, or sent to another, shows.
 */

const KIBIBYTE = 1_024
const MEBIBYTE = 1_048_576
const CLIENTS = 64

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

/** Every four bytes of a body are a number of their own, which counts up from where its key begins. */
const bodyOf = (key: number, bytes: number): Buffer => {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  const start = Math.imul(key, MEBIBYTE)
  for (let index = 0; index < words.length; index++) words[index] = start + index
  return Buffer.from(words.buffer, 0, bytes)
}

type Framing = 'length' | 'chunked' | 'close'
const FRAMINGS: readonly Framing[] = ['length', 'length', 'chunked', 'close']

interface Asked {
  readonly framing: Framing
  readonly key: number
  readonly bytes: number
}

/** Pieces as odd as apps write them. */
const piecesOf = function* (body: Buffer, dice: Dice): Generator<Buffer> {
  const longest = dice.one([100, 5_000, 20_000, 70_000, 300_000, 4 * MEBIBYTE])
  for (let at = 0; at < body.length; ) {
    const end = at + Math.max(1, dice.below(Math.min(longest, Math.max(body.length / 20, 30_000))))
    yield body.subarray(at, end)
    at = end
  }
}

/** Resolves once what was written has been taken, or nothing more will be. */
const drained = (to: ServerResponse | Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      to.off('drain', done).off('close', done)
      resolve()
    }
    to.on('drain', done).on('close', done)
  })

const writeTo = async (to: ServerResponse | Socket, pieces: Iterable<Buffer>): Promise<void> => {
  for (const piece of pieces) {
    if (to.destroyed) return
    if (!to.write(piece)) await drained(to)
  }
}

const reply = async (response: ServerResponse, { framing, key, bytes }: Asked, body: Buffer): Promise<void> => {
  if (framing === 'length') response.setHeader('Content-Length', bytes)
  if (framing === 'close') response.shouldKeepAlive = false
  if (framing === 'close') response.removeHeader('Transfer-Encoding') // and nothing else says where it ends
  await writeTo(response, piecesOf(body, new Dice(key)))
  response.end()
}

/** An app whose bodies are as their targets say: `/length/17/100000`. What it is sent it sends back. */
const startApp = (): Promise<TestUpstream> => {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, framing, key, bytes] = (request.url as string).split('/')
    const asked = { framing: framing as Framing, key: Number(key), bytes: Number(bytes) }
    const received: Buffer[] = []
    for await (const piece of request) received.push(piece as Buffer)
    await reply(response, asked, request.method === 'POST' ? Buffer.concat(received) : bodyOf(asked.key, asked.bytes))
  }
  return startUpstream((request, response) => {
    response.on('error', () => response.destroy())
    answer(request, response).catch(() => response.destroy()) // of a client that has left
  })
}

const start = async (environment: Record<string, string>): Promise<TestProxy> => {
  const app = await startApp()
  const proxy = await startProxy(app.url, { UPSTREAM_QUEUE_TIMEOUT_MS: '30000', ...environment })
  opened.push(app, proxy)
  return proxy
}

const headOf = (method: string, { framing, key, bytes }: Asked, fields = ''): string =>
  `${method} /${framing}/${key}/${bytes} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`

/** Holds that what came back is the bodies that were asked for, in order and whole. */
const expectBodies = (received: string, asked: readonly Asked[]): void => {
  const replies = rawReplies(received)
  expect(replies.map(({ status, isWhole, body }) => [status, isWhole, body.length])).toEqual(
    asked.map(({ bytes }) => [200, true, bytes]),
  )
  for (const [index, { key, bytes }] of asked.entries()) {
    const body = Buffer.from((replies[index] as { body: string }).body, 'latin1')
    const expected = bodyOf(key, bytes)
    if (body.equals(expected)) continue
    const wrongAt = body.findIndex((octet, at) => octet !== expected[at])
    expect.fail(
      `${bytes} bytes of ${key} are wrong from ${wrongAt}: ${body.subarray(wrongAt, wrongAt + 16).toString('hex')}`,
    )
  }
}

/** Reads as a client does that has other things to do. */
const readInBursts = (socket: Socket, dice: Dice): void => {
  const share = dice.one([0, 5, 30, 100])
  socket.on('data', () => {
    if (!dice.percent(share)) return
    socket.pause()
    setTimeout(() => socket.resume(), dice.below(8))
  })
}

const anySeed = (): number => Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Bodies in the order in which one client asks for them, each with a key that is its own. */
const bodiesFor = (client: number, dice: Dice, count: number, sizes: readonly number[]): Asked[] =>
  Array.from({ length: count }, (_, index) => ({
    framing: dice.one(FRAMINGS),
    key: client * 256 + index,
    bytes: KIBIBYTE + dice.below(dice.one(sizes)),
  }))

const SIZES = [
  3 * KIBIBYTE,
  20 * KIBIBYTE,
  60 * KIBIBYTE,
  120 * KIBIBYTE,
  120 * KIBIBYTE,
  MEBIBYTE,
  3 * MEBIBYTE - KIBIBYTE,
]

describe(`of ${CLIENTS} clients at once, over few connections to the app, each gets its own bytes`, () => {
  it('whatever the sizes and framings, though some read slowly and some leave midway', async () => {
    const seed = anySeed()
    const proxy = await start({ UPSTREAM_CONNECTIONS_LIMIT: '16' })
    const fetchAll = async (client: number): Promise<void> => {
      const dice = new Dice(seed + client)
      const bodies = bodiesFor(client, dice, 6, SIZES)
      const { socket, send, received, closed, until } = await rawClient(proxy.port)
      readInBursts(socket, dice)
      const leavesAfter = dice.percent(20) ? dice.below(MEBIBYTE) : Number.POSITIVE_INFINITY
      socket.on('data', () => socket.bytesRead > leavesAfter && socket.destroy())
      for (const [index, body] of bodies.entries()) {
        send(headOf('GET', body, index === bodies.length - 1 ? 'Connection: close\r\n' : ''))
      }
      if (leavesAfter === Number.POSITIVE_INFINITY) expectBodies(await closed(), bodies)
      else await Promise.race([closed(), until(/(?!)/).catch(received)])
    }
    await Promise.all(Array.from({ length: CLIENTS }, (_, client) => fetchAll(client))).catch((error: Error) => {
      throw new Error(`SEED=${seed}: ${error.message}`, { cause: error })
    })
  })

  it('and what each sends comes back to it', async () => {
    const seed = anySeed()
    const proxy = await start({ UPSTREAM_CONNECTIONS_LIMIT: '16' })
    const echoAll = async (client: number): Promise<void> => {
      const dice = new Dice(seed + client)
      const socket = connect(proxy.port, '127.0.0.1')
      const received: Buffer[] = []
      socket.on('data', (bytes: Buffer) => void received.push(bytes))
      readInBursts(socket, dice)
      const closed = once(socket, 'close')
      const bodies = bodiesFor(client, dice, 4, SIZES)
      for (const [index, asked] of bodies.entries()) {
        const connection = index === bodies.length - 1 ? 'Connection: close\r\n' : ''
        const pieces = piecesOf(bodyOf(asked.key, asked.bytes), dice)
        if (dice.percent(50)) {
          socket.write(headOf('POST', asked, `${connection}Content-Length: ${asked.bytes}\r\n`))
          await writeTo(socket, pieces)
        } else {
          socket.write(headOf('POST', asked, `${connection}Transfer-Encoding: chunked\r\n`))
          await writeTo(socket, chunksOf(pieces))
        }
      }
      await closed
      expectBodies(Buffer.concat(received).toString('latin1'), bodies)
    }
    await Promise.all(Array.from({ length: CLIENTS }, (_, client) => echoAll(client))).catch((error: Error) => {
      throw new Error(`SEED=${seed}: ${error.message}`, { cause: error })
    })
  })
})

const chunksOf = function* (pieces: Iterable<Buffer>): Generator<Buffer> {
  for (const piece of pieces)
    yield Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
  yield Buffer.from('0\r\n\r\n')
}

describe('the last bytes of a reply, which its client has not taken as the connection to the app is used again', () => {
  const LAST_BYTES = 10 * KIBIBYTE

  it.each([
    ['of a length', 'length', 100 * KIBIBYTE],
    ['in chunks', 'chunked', 100 * KIBIBYTE],
    ['of a small length', 'length', 12 * KIBIBYTE], // read into memory that all connections share
    ['in small chunks', 'chunked', 12 * KIBIBYTE],
  ] as const)('stay as they are: a body %s', async (_what, framing, size) => {
    let sendLast = (): void => undefined
    const chunk = (body: Buffer, end = ''): Buffer => {
      if (framing === 'length') return body
      return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from(`\r\n${end}`)])
    }
    const app = await startRawUpstream((socket) => {
      socket.setNoDelay()
      socket.on('data', (request: Buffer) => {
        const [, key, bytes] = (/^GET \/(\d+)\/(\d+) /.exec(String(request)) ?? []).map(Number) as [
          number,
          number,
          number,
        ]
        const body = bodyOf(key, bytes)
        const fields = framing === 'length' ? `Content-Length: ${bytes}` : 'Transfer-Encoding: chunked'
        socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`)
        socket.write(chunk(body.subarray(0, -LAST_BYTES)))
        sendLast = () => void socket.write(chunk(body.subarray(-LAST_BYTES), '0\r\n\r\n')) // in one piece
        if (key % 2 === 1) sendLast()
      })
    })
    const proxy = await startProxy(app.url, { UPSTREAM_CONNECTIONS_LIMIT: '1' })
    opened.push(app, proxy)
    const sockets: Socket[] = []
    proxy.server.port.on('connection', (socket) => sockets.push(socket))
    const [slow, fast] = [await rawClient(proxy.port), await rawClient(proxy.port)]
    const towardsSlow = sockets.find(({ remotePort }) => remotePort === slow.socket.localPort) as Socket
    const bodies = { slow: [] as Asked[], fast: [] as Asked[] }
    const ask = (key: number, bytes: number): Asked => ({ framing, key, bytes })
    const get = ({ key, bytes }: Asked): string => `GET /${key}/${bytes} HTTP/1.1\r\nHost: a.example\r\n\r\n`
    for (let round = 0; round < 10; round++) {
      const late = ask(2 * round, size + round)
      const next = ask(2 * round + 1, 3 * size - round)
      bodies.slow.push(late)
      bodies.fast.push(next)
      const receivedBefore = slow.received().length
      slow.send(get(late))
      await eventually(
        'all but the last bytes',
        () => slow.received().length - receivedBefore > late.bytes - LAST_BYTES,
      )
      towardsSlow.cork() // as where the system takes nothing more
      sendLast()
      await eventually('the last bytes are held', () => towardsSlow.writableLength >= LAST_BYTES)
      fast.send(get(next))
      await eventually('the next reply', () => fast.received().endsWith(endOf(next)))
      expect(slow.received().endsWith(endOf(late))).toBe(false)
      towardsSlow.uncork()
      await eventually('the last bytes', () => slow.received().endsWith(endOf(late)))
    }
    expect(app.connections()).toBe(1)
    expectBodies(slow.received(), bodies.slow)
    expectBodies(fast.received(), bodies.fast)
    for (const { socket } of [slow, fast]) socket.destroy()
  })

  const endOf = ({ framing, key, bytes }: Asked): string =>
    bodyOf(key, bytes).subarray(-16).toString('latin1') + (framing === 'chunked' ? '\r\n0\r\n\r\n' : '')
})

describe('an app that sends without end to a client that does not read', () => {
  it.each([1_000, 4_000, 8_000, 12_000, 70_000])('is held back, by pieces of %i bytes', async (pieceBytes) => {
    const mostBytes = 40 * MEBIBYTE
    let sent = 0
    const app = await startUpstream((_request, response) => {
      response.on('error', () => response.destroy())
      const sendOn = async (): Promise<void> => {
        const piece = Buffer.alloc(pieceBytes, 'x')
        while (sent < mostBytes && !response.destroyed) {
          sent += pieceBytes
          if (!response.write(piece)) await drained(response)
          await new Promise(setImmediate) // so that they come one by one
        }
        response.end()
      }
      void sendOn()
    })
    const proxy = await startProxy(app.url)
    opened.push(app, proxy)
    const sockets: Socket[] = []
    proxy.server.port.on('connection', (socket) => sockets.push(socket))
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n')
    let before = -1
    let stillFor = 0
    await eventually('the app sends no more', () => {
      stillFor = sent > 0 && sent === before ? stillFor + 1 : 0
      before = sent
      return stillFor > 20
    })
    const heldBytes = sockets[0]?.writableLength
    client.socket.destroy()
    expect(heldBytes, 'held by the proxy').toBeLessThan(MEBIBYTE)
    expect(sent).toBeLessThan(mostBytes)
  })
})
