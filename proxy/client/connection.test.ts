import { connect } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { compose } from '../compose.ts'
import type { Exchange } from '../exchange.ts'
import { rescue } from '../layers/rescue.ts'
import { TrafficCounts } from '../layers/traffic.ts'
import { ProxyServer } from '../server.ts'
import { calm } from '../testing/unshared-state.ts'
import type { BodyTaker } from './connection.ts'

const LIMITS = {
  ...{ targetBytes: 1_000, headerBytes: 4_000, uploadIdleMs: 10_000, downloadIdleMs: 10_000, upgradeIdleMs: 60_000 },
  ...{ unreadBodyBytes: 1_000, headersTimeoutMs: 10_000, keepAliveTimeoutMs: 10_000 },
}

/** Keeps what it gets; `takes` decides what it answers. */
class KeepingTaker implements BodyTaker {
  readonly pieces: Buffer[] = []
  readonly lengths: number[] = []
  readonly #takes: (bytesSoFar: number) => boolean
  hasEnded = false

  constructor(takes: (bytesSoFar: number) => boolean) {
    this.#takes = takes
  }

  get bytes(): number {
    return this.lengths.reduce((sum, length) => sum + length, 0)
  }

  onBody(bytes: Buffer): boolean {
    this.pieces.push(bytes)
    this.lengths.push(bytes.length)
    return this.#takes(this.bytes)
  }

  onPause(): boolean {
    return true
  }

  onBodyEnd(): void {
    this.hasEnded = true
  }
}

let server: ProxyServer | undefined

afterEach(() => {
  server?.cut()
  server?.stopAccepting()
  server?.close()
  server = undefined
})

/** Sends an upload to a connection whose exchange gives its body to the taker. */
const upload = async (taker: BodyTaker, bytes: number): Promise<Exchange> => {
  const { promise, resolve } = Promise.withResolvers<Exchange>()
  const pipeline = compose(
    [rescue()],
    (exchange) => {
      exchange.client.readBody(taker)
      resolve(exchange)
    },
    (_layer, error) => {
      throw error
    },
  )
  server = new ProxyServer(pipeline, calm, LIMITS, new TrafficCounts(), pino({ level: 'silent' }))
  await server.port.open('127.0.0.1', 0)
  const client = connect(server.port.address.port, '127.0.0.1')
  client.on('error', () => client.destroy())
  client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`)
  const exchange = await promise
  client.write(Buffer.alloc(bytes, 'x'))
  return exchange
}

const held = (taker: KeepingTaker): number[] => taker.pieces.map(({ length }) => length)

describe('memory of a body', () => {
  it('that is used up at once is given back', async () => {
    const taker = new KeepingTaker(() => true)
    await upload(taker, 300_000)
    await eventually('the body is whole', () => taker.hasEnded)
    expect(taker.bytes).toBe(300_000)
    // A piece that came together with the head shares its memory with it.
    expect(held(taker).filter((length) => length > 0).length).toBeLessThanOrEqual(1)
  })

  it('that is not used up yet stays, while the next piece waits', async () => {
    const taker = new KeepingTaker(() => false)
    const exchange = await upload(taker, 1_000_000)
    for (let pieces = 1; !taker.hasEnded; pieces++) {
      await eventually('a piece has come', () => taker.pieces.length === pieces || taker.hasEnded)
      expect(taker.pieces.at(-1)).toHaveLength(taker.lengths.at(-1) as number)
      exchange.client.resumeBody()
    }
    expect(taker.bytes).toBe(1_000_000)
  })

  it('that is not used up as the body ends stays for good', async () => {
    const taker = new KeepingTaker((bytesSoFar) => bytesSoFar < 300_000)
    await upload(taker, 300_000)
    await eventually('the body is whole', () => taker.hasEnded)
    await new Promise((resolve) => setImmediate(resolve))
    expect(taker.pieces.at(-1)).toHaveLength(taker.lengths.at(-1) as number)
    expect(taker.pieces.at(-1)?.equals(Buffer.alloc(taker.lengths.at(-1) as number, 'x'))).toBe(true)
  })

  it('that nobody wants any more is not given back while it may be on its way', async () => {
    const taker = new KeepingTaker(() => false)
    const exchange = await upload(taker, 1_000_000)
    await eventually('a piece has come', () => taker.pieces.length === 1)
    exchange.client.leaveBody()
    exchange.client.resumeBody()
    expect(taker.pieces[0]).toHaveLength(taker.lengths[0] as number)
  })
})
