import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { type RawReply, rawReplies, values } from '../testing/raw-replies.ts'
import { type RepliedRequest, ReplyWriter, SMALL_BYTES } from './reply-writer.ts'

/** A socket that tells what the system was given at once, and when that is taken. */
class Wire extends Writable {
  /** What each call to the system held. */
  readonly calls: (readonly Buffer[])[] = []
  /** Whether the system takes what it is given. */
  isTaking = true
  readonly #said: Buffer[] = []
  #taken: (() => void) | undefined

  constructor() {
    super({ highWaterMark: SMALL_BYTES, decodeStrings: false })
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: () => void): void {
    this.#take([{ chunk, encoding }], callback)
  }

  override _writev(chunks: { chunk: Buffer | string; encoding: BufferEncoding }[], callback: () => void): void {
    this.#take(chunks, callback)
  }

  /** The system takes what it has been given. */
  take(): void {
    this.isTaking = true
    this.#taken?.()
    this.#taken = undefined
  }

  /** All that was written, as latin1. */
  get text(): string {
    return Buffer.concat(this.#said).toString('latin1')
  }

  #take(chunks: readonly { chunk: Buffer | string; encoding: BufferEncoding }[], callback: () => void): void {
    const call = chunks.map(({ chunk, encoding }) => (typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk))
    this.calls.push(call)
    // What the system has taken is its own; of what it has not, it has the address.
    this.#said.push(...(this.isTaking ? call.map((bytes) => Buffer.from(bytes)) : call))
    if (this.isTaking) callback()
    else this.#taken = callback
  }
}

const GET: RepliedRequest = { method: 'GET', httpVersionMinor: 1 }
const OLD: RepliedRequest = { method: 'GET', httpVersionMinor: 0 }
const DATE = ['Date', 'Sun, 06 Nov 1994 08:49:37 GMT']
const DATE_LINE = 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n'

let wire: Wire
let writer: ReplyWriter
/** How often the end of a reply was told. */
let sent: { times: number }

beforeEach(() => {
  wire = new Wire()
  const told = { times: 0 }
  sent = told
  writer = new ReplyWriter(wire as unknown as Socket, () => told.times++)
})

const head = (headers: readonly string[], request = GET, status = 200, mustClose = false): void =>
  writer.head({ status, statusText: 'OK', headers: [...DATE, ...headers] }, request, mustClose)

const large = (fill = 'x'): Buffer => Buffer.alloc(SMALL_BYTES, fill)

/** A whole reply, and the text of it. */
const reply = (headers: readonly string[], body: string, request = GET, status = 200, mustClose = false): string => {
  head(headers, request, status, mustClose)
  writer.body(Buffer.from(body), true)
  writer.end()
  return wire.text
}

describe('what is small goes out together', () => {
  it('head and body in one write', () => {
    expect(reply(['Content-Length', '5'], 'hello')).toBe(
      `HTTP/1.1 200 OK\r\n${DATE_LINE}Content-Length: 5\r\n\r\nhello`,
    )
    expect(wire.calls).toHaveLength(1)
  })

  it('head, chunks, last chunk and trailers in one write', () => {
    head([])
    for (const piece of ['he', '', 'l'.repeat(17)]) expect(writer.body(Buffer.from(piece), true)).toBe(true)
    expect(wire.calls).toHaveLength(0)
    writer.end(['A', 'b', 'c', ''])
    expect(wire.text).toBe(
      `HTTP/1.1 200 OK\r\n${DATE_LINE}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n11\r\n${'l'.repeat(17)}\r\n0\r\nA: b\r\nc: \r\n\r\n`,
    )
    expect(wire.calls).toHaveLength(1)
  })

  it('up to a flush, behind which nothing is held', () => {
    head(['Content-Length', '4'])
    writer.body(Buffer.from('ab'), true)
    expect(writer.hasLeft).toBe(false)
    expect(writer.flush()).toBe(true)
    expect(writer.hasLeft).toBe(true)
    expect(writer.flush()).toBe(true)
    expect(wire.calls).toHaveLength(1)
    writer.body(Buffer.from('cd'), true)
    writer.end()
    expect(wire.text).toMatch(/\r\n\r\nabcd$/)
    expect(wire.calls).toHaveLength(2)
  })

  it('but not without end: what is held is at most 16 KiB ', () => {
    head(['Content-Length', '1000000'])
    let unsent = 0
    for (let count = 0; count < 100; count++) {
      writer.body(Buffer.alloc(SMALL_BYTES - 1, 'x'), true)
      unsent = (count + 1) * (SMALL_BYTES - 1) - wire.text.length
      expect(unsent).toBeLessThanOrEqual(16_384)
    }
    expect(wire.calls.length).toBeGreaterThan(20)
  })

  it('octets as they are', () => {
    const octets = Buffer.from(Uint8Array.from({ length: 256 }, (_, octet) => octet))
    head(['Content-Length', '256', 'A', '\xff'])
    writer.body(octets, false)
    writer.end()
    expect(wire.text.endsWith(`A: \xff\r\n\r\n${octets.toString('latin1')}`)).toBe(true)
  })
})

describe('a large piece', () => {
  const memories = () => wire.calls.flat().map(({ buffer, byteOffset, length }) => ({ buffer, byteOffset, length }))
  const memoryOf = ({ buffer, byteOffset, length }: Buffer) => ({ buffer, byteOffset, length })

  it('goes out in one call with what was held before it, and is not copied where it is stable', () => {
    const piece = large()
    head(['Content-Length', '8192'])
    expect(writer.body(piece, true)).toBe(true)
    expect(wire.calls.map((call) => call.length)).toEqual([2])
    expect(memories()[1]).toEqual(memoryOf(piece))
    expect(wire.calls[0]?.[1]?.buffer).toBe(piece.buffer)
  })

  it('alone, where nothing is held, is not copied either', () => {
    const piece = large()
    head(['Content-Length', '16384'])
    writer.body(large(), true)
    writer.body(piece, true)
    expect(wire.calls.map((call) => call.length)).toEqual([2, 1])
    expect(wire.calls[1]?.[0]?.buffer).toBe(piece.buffer)
  })

  it('that is not stable is copied, so that it may be overwritten at once', () => {
    const piece = large('a')
    head(['Content-Length', '8192'])
    wire.isTaking = false
    expect(writer.body(piece, false)).toBe(false)
    piece.fill('b')
    expect(wire.calls.flat().some(({ buffer }) => buffer === piece.buffer)).toBe(false)
    expect(wire.text.endsWith('a'.repeat(SMALL_BYTES))).toBe(true)
  })

  it('one byte short of large is copied, stable or not', () => {
    for (const isStable of [true, false]) {
      const piece = large('a').subarray(1)
      head(['Content-Length', '8191'])
      expect(writer.body(piece, isStable)).toBe(true)
      piece.fill('b')
      writer.end()
      expect(wire.text.endsWith('a'.repeat(SMALL_BYTES - 1))).toBe(true)
    }
  })

  it('is a chunk like any other', () => {
    head([])
    writer.body(Buffer.from('a'), true)
    writer.body(large(), true)
    writer.body(large('y'), false)
    writer.body(Buffer.from('b'), true)
    writer.end()
    const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
    const x = chunk('x'.repeat(SMALL_BYTES))
    const y = chunk('y'.repeat(SMALL_BYTES))
    expect(wire.text.endsWith(`\r\n\r\n${chunk('a')}${x}${y}${chunk('b')}0\r\n\r\n`)).toBe(true)
  })
})

describe('a reply has no body', () => {
  it.each([
    ['to HEAD, of a length', 'HEAD', 200, ['Content-Length', '5'], 'Content-Length: 5\r\n'],
    ['to HEAD, of no said length', 'HEAD', 200, [], ''],
    ['of 204', 'GET', 204, [], ''],
    ['of 304, of a length', 'GET', 304, ['Content-Length', '5'], 'Content-Length: 5\r\n'],
    ['of 304, of no said length', 'GET', 304, [], ''],
  ])('%s: neither bytes nor chunks, and the connection goes on', (_what, method, status, headers, lines) => {
    head(headers, { method, httpVersionMinor: 1 }, status)
    expect(writer.body(Buffer.from('hello'), true)).toBe(true)
    expect(writer.body(large(), true)).toBe(true)
    writer.end(['A', 'b'])
    expect(wire.text).toBe(`HTTP/1.1 ${status} OK\r\n${DATE_LINE}${lines}\r\n`)
    expect(writer.closes).toBe(false)
  })

  it.each(['HEAD', 'GET'])('of 204 or to HEAD, in HTTP/1.0 as well: %s', (method) => {
    head([], { method, httpVersionMinor: 0 }, 204)
    writer.end()
    expect(wire.text).toBe(`HTTP/1.1 204 OK\r\n${DATE_LINE}Connection: keep-alive\r\n\r\n`)
  })
})

describe('a connection', () => {
  it.each([
    ['goes on, in HTTP/1.1, and says nothing of it', ['Content-Length', '1'], GET, false, undefined],
    ['ends where it must', ['Content-Length', '1'], GET, true, 'close'],
    ['ends where the reply says so', ['Content-Length', '1', 'Connection', 'close'], GET, false, 'close'],
    ['goes on in HTTP/1.0, and says so', ['Content-Length', '1'], OLD, false, 'keep-alive'],
    ['ends where it must, in HTTP/1.0', ['Content-Length', '1'], OLD, true, 'close'],
    ['ends in HTTP/1.0 with a body that does not say its end', [], OLD, false, 'close'],
  ] as const)('%s', (_what, headers, request, mustClose, said) => {
    const [written] = rawReplies(reply(headers, 'x', request, 200, mustClose))
    expect(values(written as RawReply, 'connection')).toEqual(said === undefined ? [] : [said])
    expect(values(written as RawReply, 'transfer-encoding')).toEqual([])
    expect(written?.body).toBe('x')
    expect(writer.closes).toBe(said === 'close')
  })

  it('has what it says of itself said once, whatever the head says', () => {
    const [written] = rawReplies(reply(['connection', 'X-A', 'Connection', 'keep-alive', 'Content-Length', '1'], 'x'))
    expect(values(written as RawReply, 'connection')).toEqual([])
  })
})

describe('the head', () => {
  it('gets a Date only where it has none', () => {
    writer.head({ status: 200, statusText: '', headers: ['Content-Length', '0'] }, GET, false)
    writer.end()
    head(['Content-Length', '0'])
    writer.end()
    writer.head({ status: 200, statusText: '', headers: ['dATE', 'x', 'Content-Length', '0'] }, GET, false)
    writer.end()
    const dates = rawReplies(wire.text).map((written) => values(written, 'date'))
    expect(dates).toEqual([[expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)], [DATE[1]], ['x']])
    expect(Math.abs(Date.parse(dates[0]?.[0] as string) - Date.now())).toBeLessThan(5_000)
  })

  it.each([
    ['in chunks', [], GET, ['A']],
    ['of a length', ['Content-Length', '1'], GET, []],
    ['of HTTP/1.0', [], OLD, []],
  ] as const)('announces trailers only where they can be sent: a reply %s', (_what, headers, request, announced) => {
    const [written] = rawReplies(reply(['Trailer', 'A', ...headers], 'x', request))
    expect(values(written as RawReply, 'trailer')).toEqual(announced)
  })

  it('may come behind any number of interim ones, which go out at once and are no part of the reply', () => {
    writer.informational(100, [])
    writer.informational(103, ['Link', '</a>'])
    expect(wire.text).toBe('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
    expect(writer).toMatchObject({ hasLeft: false, hasHead: false, isEnded: false })
    expect(rawReplies(reply(['Content-Length', '1'], 'x')).map(({ status }) => status)).toEqual([100, 103, 200])
  })
})

describe('what has not left', () => {
  it('is taken back whole, and leaves nothing in the reply that goes out in its place', () => {
    head(['A', 'b'], GET, 200, true)
    writer.body(Buffer.from('secret'), true)
    writer.takeBack()
    expect(writer.flush()).toBe(true)
    expect(writer).toMatchObject({ hasLeft: false, hasHead: false })
    expect(wire.calls).toHaveLength(0)
    expect(reply(['Content-Length', '2'], 'no', GET, 502)).toBe(
      `HTTP/1.1 502 OK\r\n${DATE_LINE}Content-Length: 2\r\n\r\nno`,
    )
    expect(writer.closes).toBe(false)
  })

  it('is known from what has: once a large piece, a flush or the end has sent it', () => {
    for (const send of [() => writer.body(large(), true), () => writer.flush(), () => writer.end()]) {
      writer.reset()
      head(['Content-Length', '8192'])
      expect(writer).toMatchObject({ hasLeft: false, hasHead: true })
      send()
      expect(writer.hasLeft).toBe(true)
    }
  })
})

describe('the end of a reply', () => {
  it('is told once the system has taken its last byte, and not before', async () => {
    wire.isTaking = false
    reply(['Content-Length', '5'], 'hello')
    expect(writer.isEnded).toBe(true)
    await new Promise(setImmediate)
    expect([sent.times, writer.pendingBytes > 0]).toEqual([0, true])
    wire.take()
    await new Promise(setImmediate)
    expect([sent.times, writer.pendingBytes]).toEqual([1, 0])
  })

  it('is told where nothing is left to send but what was sent before', async () => {
    head(['Content-Length', '8192'])
    wire.isTaking = false
    expect(writer.body(large(), true)).toBe(false)
    writer.end()
    await new Promise(setImmediate)
    expect(sent.times).toBe(0)
    wire.take()
    await new Promise(setImmediate)
    expect(sent.times).toBe(1)
  })

  it('is followed by the next reply, which knows nothing of it', async () => {
    reply([], 'one', GET, 200, true)
    await new Promise(setImmediate)
    writer.reset()
    expect(writer).toMatchObject({ hasLeft: false, hasHead: false, isEnded: false, closes: false })
    reply(['Content-Length', '3'], 'two')
    expect(rawReplies(wire.text).map(({ body, isWhole }) => [body, isWhole])).toEqual([
      ['one', true],
      ['two', true],
    ])
    expect(writer.closes).toBe(false)
  })
})

describe('over a socket whose client does not read', () => {
  const opened: (() => unknown)[] = []

  afterEach(() => {
    for (const close of opened.splice(0)) close()
  })

  /** Both ends of a connection, as the proxy's server makes them. */
  const pair = async (): Promise<readonly [server: Socket, client: Socket]> => {
    const listener = createServer({ noDelay: true, highWaterMark: SMALL_BYTES }).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const client = connect((listener.address() as { port: number }).port, '127.0.0.1').pause()
    const [server] = (await once(listener, 'connection')) as [Socket]
    opened.push(
      () => client.destroy(),
      () => server.destroy(),
      () => listener.close(),
    )
    return [server, client]
  }

  it('`body` says no exactly where the socket has bytes that the system has not taken, and `drain` follows', async () => {
    const [server, client] = await pair()
    const writer = new ReplyWriter(server, () => undefined)
    const pieces = Array.from({ length: 400 }, (_, index) => Buffer.alloc(SMALL_BYTES + 151 * index, index))
    const total = pieces.reduce((bytes, { length }) => bytes + length, 0)
    const received: Buffer[] = []
    client.on('data', (bytes: Buffer) => void received.push(bytes)).pause()
    writer.head({ status: 200, statusText: 'OK', headers: ['Content-Length', String(total)] }, GET, false)
    let refusals = 0
    for (const piece of pieces) {
      const keepsUp = writer.body(piece, true)
      expect(keepsUp).toBe(server.writableLength === 0)
      expect(writer.pendingBytes).toBe(server.writableLength)
      if (keepsUp) continue
      refusals++
      const drained = once(server, 'drain')
      client.resume()
      await drained
      expect(server.writableLength).toBe(0)
      client.pause()
    }
    writer.end()
    expect(refusals).toBeGreaterThan(2)
    client.resume()
    const whole = () => Buffer.concat(received)
    await eventually('the whole reply', () => whole().length - whole().indexOf('\r\n\r\n') - 4 === total)
    expect(whole().subarray(-total).equals(Buffer.concat(pieces))).toBe(true)
  })

  it('`flush` says no once the socket holds more than its buffer, and `drain` follows', async () => {
    const [server, client] = await pair()
    const writer = new ReplyWriter(server, () => undefined)
    writer.head({ status: 200, statusText: 'OK', headers: [] }, GET, false)
    const piece = Buffer.alloc(4_000, 'x')
    let keepsUp = true
    for (let count = 0; keepsUp; count++) {
      expect(count, 'in the end it does').toBeLessThan(100_000)
      keepsUp = writer.body(piece, true) && writer.flush()
      expect(keepsUp).toBe(server.writableLength < SMALL_BYTES)
    }
    const drained = once(server, 'drain')
    client.resume()
    await drained
    expect(server.writableLength).toBe(0)
  })
})
