import { once } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually } from '#shared/testing/eventually.ts'
import { rawClient } from './testing/raw-client.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream, type TestUpstream } from './testing/start-upstream.ts'

let proxy: TestProxy
let upstream: TestUpstream

afterEach(async () => {
  await proxy.close()
  await upstream.close()
})

/** An app whose WebSocket connections are handed to `onSocket`. */
const startWebSockets = (onSocket: (socket: WebSocket, request: IncomingMessage) => void): Promise<TestUpstream> =>
  startUpstream(
    (_incoming, outgoing) => {
      outgoing.end('plain http')
    },
    (server: Server) => {
      new WebSocketServer({ server, handleProtocols: (offered) => [...offered][0] ?? false }).on('connection', onSocket)
    },
  )

const echo = (socket: WebSocket): void => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}

const open = async (path = '/', options: { headers?: Record<string, string>; protocols?: string[] } = {}) => {
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, options.protocols ?? [], {
    headers: options.headers ?? {},
  })
  await once(socket, 'open')
  return socket
}

const message = async (socket: WebSocket): Promise<Buffer> => {
  const [data] = (await once(socket, 'message')) as [Buffer]
  return data
}

describe('a WebSocket', () => {
  it('carries messages both ways, large frames too', async () => {
    upstream = await startWebSockets(echo)
    proxy = await startProxy(upstream.url)
    const socket = await open()
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 8 * 1_048_576]) {
      const sent = Buffer.alloc(size, size % 251)
      socket.send(sent)
      expect((await message(socket)).equals(sent)).toBe(true)
    }
    socket.close()
    await once(socket, 'close')
  })

  it('carries the close code and reason of either side to the other', async () => {
    const closedAtApp: [number, string][] = []
    upstream = await startWebSockets((socket, request) => {
      socket.on('close', (code, reason) => closedAtApp.push([code, String(reason)]))
      if (request.url === '/app-closes') socket.close(4_001, 'app says bye')
    })
    proxy = await startProxy(upstream.url)
    const first = await open('/client-closes')
    first.close(4_002, 'client says bye')
    await eventually('the app sees the close', () => closedAtApp.length === 1)
    expect(closedAtApp[0]).toEqual([4_002, 'client says bye'])

    const second = new WebSocket(`ws://127.0.0.1:${proxy.port}/app-closes`)
    const [code, reason] = (await once(second, 'close')) as [number, Buffer]
    expect([code, String(reason)]).toEqual([4_001, 'app says bye'])
  })

  it('takes its other end with it when it is cut', async () => {
    const atApp: WebSocket[] = []
    const closeCodes: number[] = []
    upstream = await startWebSockets((socket) => {
      atApp.push(socket)
      socket.on('close', (code) => closeCodes.push(code))
    })
    proxy = await startProxy(upstream.url)
    const cutByClient = await open()
    cutByClient.terminate()
    await eventually('the app sees the cut', () => closeCodes.length === 1)
    expect(closeCodes[0]).toBe(1_006)

    const cutByApp = await open()
    const closed = once(cutByApp, 'close')
    atApp[1]?.terminate()
    expect(((await closed) as [number])[0]).toBe(1_006)
  })

  it('brings correlation, forwarded fields and its subprotocol to the app, and correlation back', async () => {
    let received: IncomingMessage | undefined
    upstream = await startWebSockets((_socket, request) => {
      received = request
    })
    proxy = await startProxy(upstream.url)
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/chat?room=1`, ['v2.chat'], {
      headers: { 'X-Request-ID': 'chat-1', 'X-Forwarded-For': '6.6.6.6', Cookie: 'a=b' },
    })
    const [[reply]] = (await Promise.all([once(socket, 'upgrade'), once(socket, 'open')])) as [
      [IncomingMessage],
      unknown,
    ]
    expect(socket.protocol).toBe('v2.chat')
    expect(reply.headers['x-request-id']).toBe('chat-1')
    expect(received?.url).toBe('/chat?room=1')
    expect(received?.headers).toMatchObject({
      'x-request-id': 'chat-1',
      'x-forwarded-for': '127.0.0.1',
      cookie: 'a=b',
      upgrade: 'websocket',
    })
    socket.close()
    expect(await proxy.line((line) => line.status === 101)).toMatchObject({
      correlationId: 'chat-1',
      outcome: 'replied',
      path: '/chat',
    })
  })

  it('may be spoken on from the same packet as its handshake', async () => {
    upstream = await startRawUpstream((socket) => {
      socket.once('data', (handshake: Buffer) => {
        const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
        socket.write(`${head}first`)
        const rest = handshake.toString('latin1').split('\r\n\r\n')[1]
        socket.write(`<${rest}>`)
        socket.on('data', (more: Buffer) => socket.write(`<${more}>`))
      })
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly')
    expect(await client.until('<early>')).toContain('first')
    client.socket.destroy()
  })

  it.each([
    ['at once', ''],
    ['after its last words', 'last words'],
  ])(
    'whose app ends its connection right after the 101, %s, ends for its client, with what was said',
    async (_when, said) => {
      upstream = await startRawUpstream((socket) => {
        const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
        socket.on('data', () => socket.end(`${head}${said}`))
      })
      proxy = await startProxy(upstream.url)
      const client = await rawClient(proxy.port)
      client.send(
        'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      )
      const received = await client.closed()
      expect(received).toMatch(/^HTTP\/1\.1 101 /)
      expect(received.split('\r\n\r\n')[1]).toBe(said)
      await eventually('nothing is joined', () => proxy.server.inFlight().upgrades === 0)
    },
  )

  it('refused by the app gets the app’s reply, with the correlation ID', async () => {
    upstream = await startUpstream(
      (_incoming, outgoing) => {
        outgoing.end('unused')
      },
      (server) => {
        server.on('upgrade', (_request, socket) => {
          socket.end(
            'HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nConnection: close\r\nWWW-Authenticate: Basic\r\n\r\nnope',
          )
        })
      },
    )
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Request-ID: r1\r\n\r\n')
    const received = await client.closed()
    expect(received).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/)
    expect(received).toMatch(/x-request-id: r1\r\n/i)
    expect(received).toMatch(/www-authenticate: Basic\r\n/i)
    expect(received).toMatch(/\r\n\r\nnope$/)
    expect(await proxy.line((line) => line.status === 401)).toMatchObject({ correlationId: 'r1' })
  })

  it('whose app is down gets 502 as a problem', async () => {
    upstream = await startWebSockets(echo)
    proxy = await startProxy('http://127.0.0.1:9')
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Request-ID: r2\r\n\r\n')
    const received = await client.closed()
    expect(received).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(JSON.parse(received.slice(received.indexOf('\r\n\r\n')))).toMatchObject({ status: 502, correlationId: 'r2' })
    expect(await proxy.line((line) => line.status === 502)).toMatchObject({ refusal: 'upstream-unreachable' })
  })

  it('with a malformed head is refused and never reaches the app', async () => {
    upstream = await startWebSockets(echo)
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(upstream.connections()).toBe(0)
  })
})

describe('a WebSocket handshake', () => {
  const HANDSHAKE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  const startHanging = () =>
    startRawUpstream((socket) => {
      socket.on('data', () => undefined)
    })

  it('whose client resets the connection costs nobody else anything, at any moment', async () => {
    upstream = await startWebSockets(echo)
    proxy = await startProxy(upstream.url)
    for (let round = 0; round < 40; round++) {
      const client = await rawClient(proxy.port)
      client.send(HANDSHAKE)
      if (round % 2 === 1) await new Promise((resolve) => setTimeout(resolve, round / 8))
      client.socket.resetAndDestroy()
    }
    const established = await open()
    ;(established as unknown as { _socket: Socket })._socket.resetAndDestroy()
    const other = await open()
    other.send('still here')
    expect(String(await message(other))).toBe('still here')
    other.close()
    await eventually('nothing is left at the app', () => upstream.sockets.size === 0)
  })

  it('that the app does not answer is a 504', async () => {
    upstream = await startHanging()
    proxy = await startProxy(upstream.url, { UPSTREAM_HEADERS_TIMEOUT_MS: '300' })
    const client = await rawClient(proxy.port)
    client.send(HANDSHAKE)
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 504 Gateway Timeout\r\n/)
  })

  it('is given up when its client leaves before the app has answered', async () => {
    upstream = await startHanging()
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send(HANDSHAKE)
    await eventually('the app has it', () => upstream.sockets.size === 1)
    client.socket.end()
    await eventually('the app is rid of it', () => upstream.sockets.size === 0)
    expect(await proxy.line((line) => line.outcome === 'client-abort')).toMatchObject({ status: 499 })
  })

  it('answered with an ordinary reply holds the app back while the client does not read, and is cut in the end', async () => {
    let written = 0
    upstream = await startUpstream(
      (_incoming, outgoing) => {
        outgoing.end()
      },
      (server) => {
        server.on('upgrade', (_request, socket) => {
          socket.on('error', () => socket.destroy())
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
          const piece = Buffer.alloc(65_536)
          const write = () => {
            while (!socket.destroyed && written < 1_000_000_000) {
              written += piece.length
              if (!socket.write(piece)) {
                socket.once('drain', write)
                return
              }
            }
          }
          write()
        })
      },
    )
    proxy = await startProxy(upstream.url, { CLIENT_IDLE_TIMEOUT_MS: '500' })
    const client = await rawClient(proxy.port)
    client.socket.pause()
    client.send(HANDSHAKE)
    expect(await proxy.line((line) => line.outcome === 'cut')).toMatchObject({
      status: 200,
      refusal: 'request-timeout',
    })
    expect(written).toBeLessThan(64 * 1_048_576)
    client.socket.destroy()
  })
})

describe('an offer to switch to another protocol', () => {
  it('is passed over: the request is answered as it is, without its Upgrade', async () => {
    let received: IncomingMessage | undefined
    upstream = await startUpstream((incoming, outgoing) => {
      received = incoming
      outgoing.end('plain http')
    })
    proxy = await startProxy(upstream.url)
    const client = await rawClient(proxy.port)
    client.send(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n',
    )
    await client.until('plain http')
    expect(received?.headers.upgrade).toBeUndefined()
    expect(received?.headers['http2-settings']).toBeUndefined()
    client.socket.destroy()
  })
})
