import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { startRawUpstream, type TestUpstream } from '../testing/start-upstream.ts'
import { TestCall } from '../testing/test-call.ts'
import { upstreamAddress } from './address.ts'
import type { UpstreamLimits } from './limits.ts'
import { type OpenSocket, socketOpener } from './open-socket.ts'
import { ConnectionPool } from './pool.ts'

const LIMITS: UpstreamLimits = {
  connections: 2,
  queueLength: 100,
  queueTimeoutMs: 30_000,
  connectTimeoutMs: 30_000,
  headersTimeoutMs: 30_000,
  headerBytes: 16_384,
  bodyIdleTimeoutMs: 30_000,
  keepAliveTimeoutMs: 30_000,
}

const opened: { close(): Promise<void> | void }[] = []

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

const reply = (text: string, ...fields: string[]): string =>
  ['HTTP/1.1 200 OK', `Content-Length: ${text.length}`, ...fields, '', text].join('\r\n')

/** What a call heard that was answered so. */
const answered = (text: string): string[] => ['connected', '200', text, 'end']

interface App extends TestUpstream {
  /** Each request that came: which it was, on the how-manieth connection, and that connection. */
  readonly requests: { readonly name: string; readonly connection: number; readonly socket: Socket }[]
  /** Answers a request of that name, once it is there, with its name. */
  answer(name: string, ...fields: string[]): Promise<void>
}

/** @param isTold whether it answers only what it is told to */
const startApp = async (isTold = false): Promise<App> => {
  const requests: App['requests'] = []
  let connections = 0
  const upstream = await startRawUpstream((socket) => {
    const connection = connections++
    socket.on('data', (bytes) => {
      const name = /^GET \/(\S+) /.exec(String(bytes))?.[1] as string
      requests.push({ name, connection, socket })
      if (!isTold) socket.write(reply(name))
    })
  })
  opened.push(upstream)
  return {
    ...upstream,
    requests,
    async answer(name, ...fields) {
      await eventually(`a request ${name}`, () => requests.some((request) => request.name === name))
      requests.find((request) => request.name === name)?.socket.write(reply(name, ...fields))
    },
  }
}

const openPool = (url: string, limits: Partial<UpstreamLimits> = {}): ConnectionPool => {
  const pool = new ConnectionPool(socketOpener(upstreamAddress(url)), { ...LIMITS, ...limits })
  opened.push(pool)
  return pool
}

/** As many calls as names. */
const calls = <Names extends string[]>(...names: Names): { [Index in keyof Names]: TestCall } =>
  names.map((name) => new TestCall(name)) as { [Index in keyof Names]: TestCall }

/** Makes the call and awaits its end. */
const made = async (pool: ConnectionPool, call: TestCall): Promise<readonly string[]> => {
  pool.request(call)
  return call.over
}

describe('calls beyond the connections', () => {
  it.each([1, 2, 7])(
    'of which there may be %i, wait, and are served in the order in which they came',
    async (limit) => {
      const app = await startApp()
      const pool = openPool(app.url, { connections: limit })
      const order: string[] = []
      const names = Array.from({ length: 60 }, (_, index) => `call-${index}`)
      const all = names.map((name) => new TestCall(name, () => order.push(name)))
      for (const call of all) pool.request(call)
      expect(await Promise.all(all.map(({ over }) => over))).toEqual(names.map(answered))
      expect(order).toEqual(names)
      expect(app.connections()).toBe(limit)
    },
  )

  it('are refused once as many wait as may', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url, { connections: 1, queueLength: 2 })
    const [served, first, second, third, fourth] = calls('served', 'first', 'second', 'third', 'fourth')
    for (const call of [served, first, second, third, fourth]) pool.request(call)
    expect(third.events).toEqual(['UpstreamBusy'])
    expect(fourth.events).toEqual(['UpstreamBusy'])
    expect(pool.queued).toBe(3)
    for (const { name } of [served, first, second]) await app.answer(name)
    expect(await second.over).toEqual(answered('second'))
    expect(pool.queued).toBe(0)
    expect(app.requests.map(({ name }) => name)).toEqual(['served', 'first', 'second'])
  })

  it('are none while connections are being opened for them: 1,500 at once, where one may wait', async () => {
    const app = await startApp()
    const pool = openPool(app.url, { connections: 2_000, queueLength: 1 })
    const all = Array.from({ length: 1_500 }, (_, index) => new TestCall(`call-${index}`))
    for (const call of all) pool.request(call)
    const outcomes = await Promise.all(all.map(({ over }) => over))
    expect(outcomes).toEqual(all.map(({ name }) => answered(name)))
    expect(app.connections()).toBeLessThanOrEqual(1_500)
  })

  it('wait for no longer than they may', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url, { connections: 1, queueTimeoutMs: 100 })
    const [served, late, lateForNew] = calls('served', 'late', 'late-for-new')
    pool.request(served)
    await eventually('the request is there', () => app.requests.length === 1)
    pool.request(late)
    pool.requestNew(lateForNew)
    expect(await late.over).toEqual(['UpstreamBusy'])
    expect(await lateForNew.over).toEqual(['UpstreamBusy'])
    expect(late.error?.message).toBe('no connection free within 100 ms')
    await app.answer('served')
    expect(await served.over).toEqual(answered('served'))
    expect(pool.queued).toBe(0)
  })

  it('move up, too, where one is withdrawn that was about to go out', async () => {
    const app = await startApp()
    const pool = openPool(app.url, { connections: 1 })
    const [withdrawn, next] = calls('withdrawn', 'next')
    const served = new (class extends TestCall {
      override onEnd(): void {
        super.onEnd()
        pool.cancel(withdrawn) // which has been lent the connection meanwhile, and goes out at the end of this turn
      }
    })('served')
    for (const call of [served, withdrawn, next]) pool.request(call)
    expect(await next.over).toEqual(answered('next'))
    expect(withdrawn.events).toEqual([])
    expect(app.requests.map(({ name }) => name)).toEqual(['served', 'next'])
  })

  it('may be withdrawn, and those behind them move up', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url, { connections: 1 })
    const [served, withdrawn, next] = calls('served', 'withdrawn', 'next')
    for (const call of [served, withdrawn, next]) pool.request(call)
    pool.cancel(withdrawn)
    await app.answer('served')
    await app.answer('next')
    expect(await next.over).toEqual(answered('next'))
    expect(withdrawn.events).toEqual([])
    expect(app.requests.map(({ name }) => name)).toEqual(['served', 'next'])
  })
})

describe('a connection that cannot be opened', () => {
  const closedPort = async (): Promise<number> => {
    const app = await startApp()
    await app.close()
    return app.port
  }

  it.each([
    ['as many connections as calls', 10],
    ['fewer connections than calls', 2],
    ['one connection', 1],
  ])('fails each call once: %s', async (_what, connections) => {
    const pool = openPool(`http://127.0.0.1:${await closedPort()}`, { connections })
    const all = calls('a', 'b', 'c', 'd', 'e')
    for (const call of all) pool.request(call)
    const news = calls('f', 'g')
    for (const call of news) pool.requestNew(call)
    await Promise.all([...all, ...news].map(({ over }) => over))
    await eventually('nothing is waited for', () => pool.queued === 0)
    for (const { events, error } of [...all, ...news]) {
      expect(events).toHaveLength(1)
      expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    }
  })

  it('fails one call and no other: those behind it are served where the app comes up', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pool-'))
    const path = join(folder, 'app.sock')
    const server = createServer((socket) => socket.on('data', () => socket.write(reply('up'))))
    const pool = openPool(`unix:${path}`, { connections: 1 })
    const [first, second, third] = calls('first', 'second', 'third')
    const heard = first.onFailure.bind(first)
    first.onFailure = (error, isReuseRace) => {
      server.listen(path) // before the next connection is opened
      heard(error, isReuseRace)
    }
    for (const call of [first, second, third]) pool.request(call)
    expect(await first.over).toEqual(['Error'])
    for (const call of [second, third]) expect(await call.over).toEqual(answered('up'))
    pool.close()
    server.close()
    await once(server, 'close')
    await rm(folder, { recursive: true })
  })

  it('is opened anew for the next call', async () => {
    const port = await closedPort()
    const pool = openPool(`http://127.0.0.1:${port}`)
    const [early, late] = calls('early', 'late')
    expect(await made(pool, early)).toEqual(['Error'])
    const server = createServer((socket) => socket.on('data', () => socket.write(reply('back'))))
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    expect(await made(pool, late)).toEqual(answered('back'))
    pool.close()
    server.close()
    await once(server, 'close')
  })
})

describe('a connection that is being opened', () => {
  interface SlowPool {
    readonly pool: ConnectionPool
    /** For each connection, what lets it open. */
    readonly opens: (() => void)[]
  }

  /** A pool whose connections open when they are told to. */
  const openSlowPool = (url: string, limits: Partial<UpstreamLimits>): SlowPool => {
    const open = socketOpener(upstreamAddress(url))
    const opens: (() => void)[] = []
    const openHeld: OpenSocket = (buffer, onRead, onOpen, isForSwitch) => {
      const opening = Promise.withResolvers<void>()
      opens.push(opening.resolve)
      return open(buffer, onRead, () => void opening.promise.then(onOpen), isForSwitch)
    }
    const pool = new ConnectionPool(openHeld, { ...LIMITS, ...limits })
    opened.push(pool)
    return { pool, opens }
  }
  const impatient = (name: string) => new TestCall(name, undefined, { connectTimeoutMs: 100 })

  it('is for the call that it is opened for, though another has waited for longer', async () => {
    const app = await startApp()
    const { pool, opens } = openSlowPool(app.url, {})
    const [first, second] = calls('first', 'second')
    pool.request(first)
    pool.request(second)
    opens[1]?.()
    expect(await second.over).toEqual(answered('second'))
    expect(await first.over).toEqual(answered('first')) // on the connection that the second has given back
    expect(app.requests.map(({ name }) => name)).toEqual(['second', 'first'])
    expect(pool.queued).toBe(0)
  })

  it('ends its call, and no other, where it takes too long, even if another is being opened', async () => {
    const app = await startApp()
    const { pool, opens } = openSlowPool(app.url, {})
    const [patient] = calls('patient')
    const late = impatient('late')
    pool.request(patient)
    pool.request(late)
    expect(await late.over).toEqual(['UpstreamTimeout'])
    expect(patient.events).toEqual([])
    opens[0]?.()
    expect(await patient.over).toEqual(answered('patient'))
  })

  it.each(['answered on another', 'withdrawn'])(
    'is handed over once its call is %s, and has the time of who gets it then',
    async (why) => {
      const app = await startApp(true)
      const { pool, opens } = openSlowPool(app.url, { connections: 2 })
      const [served, patient] = calls('served', 'patient')
      const next = impatient('next')
      pool.request(served)
      opens[0]?.()
      await eventually('the request is there', () => app.requests.length === 1)
      pool.request(patient)
      pool.request(next)
      if (why === 'withdrawn') pool.cancel(patient)
      else {
        await app.answer('served')
        await eventually('it has another', () => app.requests.length === 2)
      }
      expect(await next.over).toEqual(['UpstreamTimeout'])
      expect(next.error?.message).toBe('waited in vain for a connection')
    },
  )

  it('for nobody is handed over to a call that comes', async () => {
    const app = await startApp()
    const { pool, opens } = openSlowPool(app.url, {})
    const [withdrawn] = calls('withdrawn')
    pool.request(withdrawn)
    pool.cancel(withdrawn)
    const late = impatient('late')
    pool.request(late)
    expect(await late.over).toEqual(['UpstreamTimeout'])
    expect(opens).toHaveLength(1)
  })
})

describe('a call that is withdrawn while its connection is being opened', () => {
  it('leaves it to one that waits', async () => {
    const app = await startApp()
    const pool = openPool(app.url, { connections: 1 })
    const [withdrawn, next] = calls('withdrawn', 'next')
    pool.request(withdrawn)
    pool.request(next)
    pool.cancel(withdrawn)
    expect(await next.over).toEqual(answered('next'))
    expect(withdrawn.events).toEqual([])
    expect(app.connections()).toBe(1)
    expect(app.requests.map(({ name }) => name)).toEqual(['next'])
  })

  it('leaves it to one that comes later', async () => {
    const app = await startApp()
    const pool = openPool(app.url)
    const [withdrawn, later] = calls('withdrawn', 'later')
    pool.request(withdrawn)
    pool.cancel(withdrawn)
    expect(pool.queued).toBe(0)
    await eventually('the connection is there', () => app.connections() === 1)
    expect(await made(pool, later)).toEqual(answered('later'))
    expect(app.connections()).toBe(1)
  })

  it('takes it along where it was to have it alone', async () => {
    const app = await startApp()
    const pool = openPool(app.url, { connections: 1 })
    const [withdrawn, next] = calls('withdrawn', 'next')
    pool.requestNew(withdrawn)
    pool.request(next)
    pool.cancel(withdrawn)
    expect(await next.over).toEqual(answered('next'))
    expect(withdrawn.events).toEqual([])
    await eventually('one connection is left', () => app.sockets.size === 1)
  })
})

describe('a connection that rests', () => {
  it('is used again, and the one last used first', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url, { connections: 3 })
    const first = calls('a', 'b', 'c')
    for (const call of first) pool.request(call)
    await eventually('all are there', () => app.requests.length === 3)
    const connectionOf = (name: string) => app.requests.find((request) => request.name === name)?.connection
    for (const call of [first[1], first[0], first[2]]) {
      await app.answer(call.name)
      await call.over
    }
    const [last, lastButOne] = [connectionOf('c'), connectionOf('a')]
    const [d, e, f, g] = calls('d', 'e', 'f', 'g')
    for (const call of [d, e]) {
      pool.request(call)
      await app.answer(call.name)
      await call.over
    }
    pool.request(f)
    pool.request(g)
    await eventually('both are there', () => app.requests.length === 7)
    expect(['d', 'e', 'f', 'g'].map(connectionOf)).toEqual([last, last, last, lastButOne])
    expect(app.connections()).toBe(3)
  })

  it('is closed when it has rested for as long as it may', async () => {
    const app = await startApp()
    const pool = openPool(app.url, { keepAliveTimeoutMs: 200 })
    const [first, second, third] = calls('first', 'second', 'third')
    await made(pool, first)
    await made(pool, second)
    expect(app.connections()).toBe(1)
    await eventually('it is closed', () => app.sockets.size === 0)
    expect(await made(pool, third)).toEqual(answered('third'))
    expect(app.connections()).toBe(2)
  })

  it('is closed earlier where the app says that it will be', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url, { keepAliveTimeoutMs: 30_000 })
    const [short, long] = calls('short', 'long')
    pool.request(short)
    pool.request(long)
    await app.answer('short', 'Keep-Alive: timeout=2')
    await app.answer('long', 'Keep-Alive: timeout=3600')
    await Promise.all([short.over, long.over])
    expect(app.sockets.size).toBe(2)
    await eventually('one is closed', () => app.sockets.size === 1)
    expect([...app.sockets]).toEqual([app.requests.find(({ name }) => name === 'long')?.socket])
  })

  it.each(['Connection: close', 'Keep-Alive: timeout=1'])('is none after a reply that says %s', async (field) => {
    const app = await startApp(true)
    const pool = openPool(app.url)
    const [first, second] = calls('first', 'second')
    pool.request(first)
    await app.answer('first', field)
    expect(await first.over).toEqual(answered('first'))
    pool.request(second)
    await app.answer('second')
    expect(await second.over).toEqual(answered('second'))
    expect(app.requests.map(({ connection }) => connection)).toEqual([0, 1])
  })

  it.each([
    ['a 408', 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
    ['a whole reply', reply('not-yours')],
    ['a line end', '\r\n'],
  ])('on which %s comes that nobody asked for is closed, and nobody gets it', async (_what, bytes) => {
    const app = await startApp()
    const pool = openPool(app.url)
    const [first, second] = calls('first', 'second')
    await made(pool, first)
    app.requests[0]?.socket.write(bytes)
    await eventually('it is closed', () => app.sockets.size === 0)
    expect(await made(pool, second)).toEqual(answered('second'))
    expect(app.requests.map(({ connection }) => connection)).toEqual([0, 1])
  })

  it('on which something has come, unread as a call asks for it, gives that to nobody, nor is it cut under the call', async () => {
    const app = await startApp()
    const pool = openPool(app.url)
    const trigger = await startRawUpstream((socket) => socket.on('data', () => ask()))
    opened.push(trigger)
    let ask = (): void => undefined
    const client = connect(trigger.port, '127.0.0.1').setNoDelay()
    await once(client, 'connect')
    for (let round = 0; round < 20; round++) {
      for (const says of [(socket: Socket) => socket.write(reply('not-yours')), (socket: Socket) => socket.end()]) {
        await made(pool, new TestCall('first'))
        const second = new TestCall('second')
        ask = () => pool.request(second)
        const { socket } = app.requests.at(-1) as App['requests'][number]
        await delay(2)
        // From here the system tells us of both at once, and first of what makes us ask.
        client.write('now')
        says(socket.setNoDelay())
        expect(await second.over).toEqual(answered('second'))
      }
    }
    client.destroy()
  })

  it('is none after a reply with more behind it', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url)
    const [first, second] = calls('first', 'second')
    pool.request(first)
    await eventually('the request is there', () => app.requests.length === 1)
    app.requests[0]?.socket.write(reply('first') + reply('not-yours'))
    expect(await first.over).toEqual(answered('first'))
    pool.request(second)
    await app.answer('second')
    expect(await second.over).toEqual(answered('second'))
    expect(app.requests.map(({ connection }) => connection)).toEqual([0, 1])
  })

  it('and that the app closes, is not used again', async () => {
    const app = await startApp()
    const pool = openPool(app.url)
    const [first, second] = calls('first', 'second')
    await made(pool, first)
    app.requests[0]?.socket.end()
    await eventually('it is closed', () => app.sockets.size === 0)
    expect(await made(pool, second)).toEqual(answered('second'))
    expect(app.requests.map(({ connection }) => connection)).toEqual([0, 1])
  })
})

describe('a call for a new connection', () => {
  it('gets none that was used before', async () => {
    const app = await startApp()
    const pool = openPool(app.url)
    const [first, fresh, third] = calls('first', 'fresh', 'third')
    await made(pool, first)
    pool.requestNew(fresh)
    expect(await fresh.over).toEqual(answered('fresh'))
    await made(pool, third)
    expect(app.requests.map(({ connection }) => connection)).toEqual([0, 1, 1])
    expect(app.sockets.size).toBe(2)
  })

  it('has one that rests closed where there is no room', async () => {
    const app = await startApp()
    const pool = openPool(app.url, { connections: 1 })
    const [first, fresh] = calls('first', 'fresh')
    await made(pool, first)
    pool.requestNew(fresh)
    expect(await fresh.over).toEqual(answered('fresh'))
    expect(app.requests.map(({ connection }) => connection)).toEqual([0, 1])
    await eventually('the first is closed', () => app.sockets.size === 1)
  })

  it('has one that has done its work closed where all are at work, before others use it', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url, { connections: 1 })
    const [first, fresh, third] = calls('first', 'fresh', 'third')
    pool.request(first)
    await eventually('the request is there', () => app.requests.length === 1)
    pool.request(third)
    pool.requestNew(fresh)
    await app.answer('first')
    await app.answer('fresh')
    await app.answer('third')
    for (const call of [first, fresh, third]) expect(await call.over).toEqual(answered(call.name))
    expect(app.requests.map(({ name, connection }) => `${name} on ${connection}`)).toEqual([
      ...['first on 0', 'fresh on 1', 'third on 1'],
    ])
  })
})

describe('as the pool closes', () => {
  it('those who wait fail, once each, and so do those who come', async () => {
    const app = await startApp(true)
    const pool = openPool(app.url, { connections: 1 })
    const [served, waiting, fresh, late] = calls('served', 'waiting', 'fresh', 'late')
    pool.request(served)
    await eventually('the request is there', () => app.requests.length === 1)
    pool.request(waiting)
    pool.requestNew(fresh)
    pool.close()
    pool.request(late)
    for (const call of [waiting, fresh, late]) expect(await call.over).toEqual(['UpstreamBusy'])
    expect(waiting.error?.message).toBe('the proxy stops')
    await eventually('all connections are closed', () => app.sockets.size === 0)
    expect(pool.queued).toBe(0)
    expect(app.connections()).toBe(1)
  })

  it('those whose connection is being opened fail too', async () => {
    const app = await startApp()
    const pool = openPool(app.url, { connections: 2 })
    const all = calls('a', 'b', 'c', 'd')
    for (const [index, call] of all.entries()) index % 2 === 0 ? pool.request(call) : pool.requestNew(call)
    pool.close()
    for (const call of all) expect((await call.over).length).toBe(1)
    expect(pool.queued).toBe(0)
    expect(app.requests).toEqual([])
  })
})
