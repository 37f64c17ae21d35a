import { getEventListeners, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { startRawUpstream, type TestUpstream } from '../testing/start-upstream.ts'
import { upstreamAddress } from './address.ts'
import { upstreamCheck } from './probe.ts'

const apps: TestUpstream[] = []

afterEach(async () => {
  for (const app of apps.splice(0)) {
    await eventually('no connection is left open', () => app.sockets.size === 0)
    await app.close()
  }
})

interface App extends TestUpstream {
  /** All that was sent to it. */
  readonly received: () => string
}

/** @param answer to what comes on a connection first */
const startApp = async (answer: (socket: Socket) => void): Promise<App> => {
  let received = ''
  const app = await startRawUpstream((socket) => {
    socket.on('data', (bytes) => {
      if (received === '') answer(socket)
      received += bytes.toString('latin1')
    })
  })
  apps.push(app)
  return { ...app, received: () => received }
}

const probe = (url: string, healthPath: string | undefined, signal = new AbortController().signal): Promise<void> =>
  upstreamCheck(upstreamAddress(url), healthPath).probe(signal)

const reply = (status: string, rest = '\r\n'): string => `HTTP/1.1 ${status}\r\n${rest}`

/** A port on which nothing listens. */
const closedPort = async (): Promise<number> => {
  const app = await startRawUpstream(() => undefined)
  await app.close()
  return app.port
}

describe('an app with a health path', () => {
  it.each([
    ['200', reply('200 OK', 'Content-Length: 2\r\n\r\nok')],
    ['200, of whose body nothing comes', reply('200 OK', 'Content-Length: 2\r\n\r\n')],
    ['204', reply('204 No Content')],
    ['302', reply('302 Found', 'Location: /login\r\nContent-Length: 0\r\n\r\n')],
    ['401', reply('401 Unauthorized', 'Content-Length: 0\r\n\r\n')],
    ['404', reply('404 Not Found', 'Content-Length: 0\r\n\r\n')],
    ['499', reply('499 ?', 'Transfer-Encoding: chunked\r\n\r\n')],
    ['103, and then 200', `${reply('103 Early Hints')}${reply('200 OK', 'Content-Length: 0\r\n\r\n')}`],
  ])('is well where it answers %s', async (_what, bytes) => {
    const app = await startApp((socket) => socket.write(bytes))
    expect(await probe(app.url, '/health')).toBeUndefined()
  })

  it.each([
    ['500', reply('500 Internal Server Error', 'Content-Length: 0\r\n\r\n'), 'GET /health answered 500'],
    ['503', reply('503 Service Unavailable', 'Content-Length: 100\r\n\r\n'), 'GET /health answered 503'],
    ['103, and then 500', `${reply('103 Early Hints')}${reply('500 ?')}`, 'GET /health answered 500'],
    ['what is no HTTP', '220 mail.example ESMTP\r\n', 'no HTTP/1.1'],
    ['octets', '\x16\x03\x01\0\xff', 'no HTTP/1.1'],
    ['a head that is malformed', reply('200 OK', 'Content-Length: x\r\n\r\n'), 'Content-Length'],
    ['a switch of protocols', reply('101 Switching Protocols'), 'switch of protocols'],
  ])('is not well where it answers %s', async (_what, bytes, why) => {
    const app = await startApp((socket) => socket.write(bytes, 'latin1'))
    await expect(probe(app.url, '/health')).rejects.toThrow(why)
  })

  it.each([
    ['at once', ''],
    ['within its head', 'HTTP/1.1 200 OK\r\nA: '],
  ])('is not well where it closes the connection %s', async (_when, bytes) => {
    const app = await startApp((socket) => socket.end(bytes))
    await expect(probe(app.url, '/health')).rejects.toThrow('closed the connection')
  })

  it.each([
    ['nothing', ''],
    ['the beginning of a head', 'HTTP/1.1 200 OK\r\nA: '],
    ['interim replies alone', reply('103 Early Hints')],
  ])('that answers %s is waited for until the signal, and then not well', async (_what, bytes) => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
    const app = await startApp((socket) => socket.write(bytes, () => ask()))
    const controller = new AbortController()
    let outcome = 'waiting'
    const probed = probe(app.url, '/health', controller.signal).then(
      () => (outcome = 'well'),
      (error: Error) => (outcome = error.message),
    )
    await asked
    await new Promise(setImmediate)
    expect(outcome).toBe('waiting')
    controller.abort()
    await probed
    expect(outcome).toBe('probe aborted')
  })

  it('is asked for that path, once, on a connection that ends', async () => {
    const app = await startApp((socket) => socket.write(reply('200 OK', 'Content-Length: 0\r\n\r\n')))
    await probe(app.url, '/health?deep=1')
    expect(app.received()).toBe(
      `GET /health?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:${app.port}\r\nConnection: close\r\n\r\n`,
    )
    expect(app.connections()).toBe(1)
  })

  it('is not well where nothing listens', async () => {
    await expect(probe(`http://127.0.0.1:${await closedPort()}`, '/health')).rejects.toThrow('ECONNREFUSED')
  })
})

describe('an app without a health path', () => {
  it('is well where its port takes connections, and is sent nothing', async () => {
    const app = await startApp(() => undefined)
    expect(await probe(app.url, undefined)).toBeUndefined()
    await eventually('the connection has come', () => app.connections() === 1)
    await eventually('it has gone', () => app.sockets.size === 0)
    expect(app.received()).toBe('')
  })

  it('is not well where nothing listens', async () => {
    await expect(probe(`http://127.0.0.1:${await closedPort()}`, undefined)).rejects.toThrow('ECONNREFUSED')
  })

  it('is waited for until the signal, and then not well', async () => {
    const app = await startApp(() => undefined)
    const controller = new AbortController()
    const probed = probe(app.url, undefined, controller.signal)
    controller.abort() // before it can have connected
    await expect(probed).rejects.toThrow('probe aborted')
  })
})

describe('an app on a Unix socket', () => {
  it.each(['/health', undefined])(
    'is asked there (path: %s), and is not well where there is none',
    async (healthPath) => {
      const folder = await mkdtemp(join(tmpdir(), 'probe-'))
      const path = join(folder, 'app.sock')
      await expect(probe(`unix:${path}`, healthPath)).rejects.toThrow('ENOENT')
      let received = ''
      const open = new Set<Socket>()
      const server = createServer((socket) => {
        open.add(socket)
        socket.on('close', () => open.delete(socket))
        socket.on('data', (bytes) => {
          received += bytes.toString('latin1')
          socket.write(reply('404 Not Found', 'Content-Length: 0\r\n\r\n'))
        })
      }).listen(path)
      await once(server, 'listening')
      expect(await probe(`unix:${path}`, healthPath)).toBeUndefined()
      await eventually('no connection is left open', () => open.size === 0)
      expect(received.split('\r\n')[1]).toBe(healthPath === undefined ? undefined : 'Host: localhost')
      server.close()
      await once(server, 'close')
      await rm(folder, { recursive: true })
    },
  )
})

it.each(['/health', undefined])(
  'lets go of its signal, which would be kept otherwise (path: %s)',
  async (healthPath) => {
    const app = await startApp((socket) => socket.write(reply('200 OK', 'Content-Length: 0\r\n\r\n')))
    const { signal } = new AbortController()
    await probe(app.url, healthPath, signal)
    await eventually('its connection has gone', () => app.connections() === 1 && app.sockets.size === 0)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  },
)
