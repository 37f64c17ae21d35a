import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { rawClient } from './testing/raw-client.ts'
import { startProxy } from './testing/start-proxy.ts'
import { startRawUpstream, startUpstream } from './testing/start-upstream.ts'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

const opening = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
  const resource = await starting
  opened.push(resource)
  return resource
}

const MEBIBYTE = 1_048_576

it('an app that begins to read late has every byte of the upload right, wherever the system had stopped taking them', async () => {
  // What the system takes of an upload that the app does not read is about 4 MiB, and differs by machine: of some of these
  // sizes the last piece is still on its way as the body has come whole.
  const wrong: string[] = []
  let whole = 0
  const upstream = await opening(
    startRawUpstream((socket: Socket) => {
      socket.pause()
      setTimeout(() => socket.resume(), 100)
      let expected = -1
      let length = -1
      let bytesRead = 0
      socket.on('data', (bytes: Buffer) => {
        let body = bytes
        if (expected === -1) {
          const head = bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n') + 4)
          expected = Number(/^POST \/(\d+) /.exec(head)?.[1])
          length = Number(/content-length: (\d+)/i.exec(head)?.[1])
          body = bytes.subarray(head.length)
        }
        bytesRead += body.length
        if (!body.equals(Buffer.alloc(body.length, expected))) wrong.push(`of ${length}, before ${bytesRead}`)
        if (bytesRead === length) {
          whole++
          socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
        }
      })
    }),
  )
  const proxy = await opening(startProxy(upstream.url, { ACCESS_LOG: 'off' }))
  const sizes = Array.from({ length: 120 }, (_, index) => 3_900_000 + index * 4_003)
  const upload = async (size: number, octet: number) => {
    const client = connect(proxy.port, '127.0.0.1')
    client.on('error', () => client.destroy())
    client.write(`POST /${octet} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`)
    client.write(Buffer.alloc(size, octet))
    client.resume()
    await once(client, 'close')
  }
  let next = 0
  const uploader = async () => {
    for (let at = next++; at < sizes.length; at = next++) await upload(sizes[at] as number, 1 + at)
  }
  await Promise.all(Array.from({ length: 8 }, uploader))
  expect(wrong).toEqual([])
  expect(whole).toBe(sizes.length)
})

it('a body of many tiny chunks goes on in few', async () => {
  let writes = 0
  let received = ''
  const upstream = await opening(
    startRawUpstream((socket) => {
      socket.on('data', (bytes) => {
        writes++
        received += bytes.toString('latin1')
        if (received.endsWith('0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      })
    }),
  )
  const proxy = await opening(startProxy(upstream.url))
  const client = await rawClient(proxy.port)
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(10_000)}0\r\n\r\n`)
  await client.until('200 OK')
  const body = received.slice(received.indexOf('\r\n\r\n') + 4)
  const chunks = body.match(/[0-9a-f]+\r\nx+\r\n/g) ?? []
  expect(chunks.join('').replaceAll(/[^x]/g, '')).toHaveLength(10_000)
  expect(chunks.length).toBeLessThan(100)
  expect(writes).toBeLessThan(100)
  client.socket.destroy()
})

describe('once a body has come whole', () => {
  it('the client owes nothing more, however long the app takes, or streams', async () => {
    const upstream = await opening(
      startUpstream(async (incoming, outgoing) => {
        incoming.resume()
        if (incoming.url === '/streams') outgoing.write('<')
        await delay(1_200)
        outgoing.end('>')
      }),
    )
    const proxy = await opening(startProxy(upstream.url, { CLIENT_IDLE_TIMEOUT_MS: '300' }))
    for (const path of ['/cold', '/streams', '/late']) {
      const reply = await fetch(`${proxy.origin}${path}`, { method: 'POST', body: 'a short body' })
      expect([reply.status, await reply.text()]).toEqual([200, path === '/streams' ? '<>' : '>'])
    }
  })

  it('nor where its last piece was held back', async () => {
    const upstream = await opening(
      startRawUpstream((socket) => {
        socket.pause()
        setTimeout(() => socket.resume(), 100)
        let bytesRead = 0
        socket.on('data', (bytes) => {
          bytesRead += bytes.length
          if (bytesRead < 12 * MEBIBYTE) return
          bytesRead = 0
          setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 1_200)
        })
      }),
    )
    const proxy = await opening(startProxy(upstream.url, { CLIENT_IDLE_TIMEOUT_MS: '500' }))
    const reply = await fetch(proxy.origin, { method: 'POST', body: Buffer.alloc(12 * MEBIBYTE) })
    expect([reply.status, await reply.text()]).toEqual([200, 'ok'])
  })
})

it('a client that leaves while its upload is held back is logged as gone, not as the app being late', async () => {
  const upstream = await opening(startRawUpstream((socket) => socket.pause()))
  const proxy = await opening(startProxy(upstream.url, { UPSTREAM_HEADERS_TIMEOUT_MS: '1000' }))
  const client = connect(proxy.port, '127.0.0.1')
  client.on('error', () => client.destroy())
  client.write(`POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * MEBIBYTE}\r\n\r\n`)
  client.write(Buffer.alloc(32 * MEBIBYTE))
  await eventually('it is under way', () => proxy.server.inFlight().requests === 1)
  await delay(200)
  client.resetAndDestroy()
  const line = await proxy.line(({ path }) => path === '/held')
  expect(line).toMatchObject({ status: 499, outcome: 'client-abort', level: 'info' })
  expect(line).not.toHaveProperty('refusal')
  for (const socket of upstream.sockets) socket.destroy()
})
