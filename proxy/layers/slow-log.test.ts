import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { ask } from '../testing/challenge-client.ts'
import type { TestProxy } from '../testing/start-proxy.ts'
import { startRawUpstream, startUpstream } from '../testing/start-upstream.ts'
import { NEVER_MS, silent, startTimed } from '../testing/timed-proxy.ts'

describe('the log of slow exchanges', () => {
  const slow = (proxy: TestProxy) => proxy.lines.filter(({ msg }) => msg === 'slow exchange')
  const over = (proxy: TestProxy, count = 1) =>
    eventually('they are over', () => proxy.lines.filter(({ outcome }) => outcome !== undefined).length === count)

  it('tells once of each where its time went, and who it was', async () => {
    const replies: ServerResponse[] = []
    const upstream = await startUpstream((_request, response) => {
      replies.push(response)
      setTimeout(() => response.write('a'), 200)
    })
    const routes = { page: { match: { path: '/page' }, operation: 'report' } }
    const operations = { report: { slowMs: 100, totalTimeoutMs: NEVER_MS } }
    const proxy = await startTimed(upstream, {}, { policy: { routes, operations } })
    const headers = { 'X-Request-ID': 'the-slow-one' }
    const reply = await fetch(`${proxy.origin}/page?secret=1`, { headers })
    await delay(300) // from when the head has come to the client
    replies[0]?.end('b')
    await reply.text()
    await over(proxy)
    expect(slow(proxy)).toMatchObject([
      {
        level: 'warn',
        correlationId: 'the-slow-one',
        route: 'page',
        operation: 'report',
        method: 'GET',
        path: '/page',
        status: 200,
        upstream: upstream.url,
        instance: expect.stringMatching(/^proxy-/),
      },
    ])
    const { phasesMs, durationMs } = slow(proxy)[0] as unknown as {
      phasesMs: Record<string, number>
      durationMs: number
    }
    expect(Object.keys(phasesMs)).toEqual(['queue', 'connect', 'firstByte', 'body'])
    expect(phasesMs.firstByte).toBeGreaterThanOrEqual(190)
    expect(phasesMs.body).toBeGreaterThanOrEqual(290)
    const sum = Object.values(phasesMs).reduce((total, ms) => total + ms)
    expect(Math.abs(sum - durationMs)).toBeLessThanOrEqual(4) // each is rounded
  })

  it('tells the wait for a connection from the time that it took to open', async () => {
    const held: Socket[] = []
    const upstream = await startRawUpstream((socket) => socket.on('data', () => held.push(socket)))
    const proxy = await startTimed(upstream, { slowMs: 100 }, { environment: { UPSTREAM_CONNECTIONS_LIMIT: '1' } })
    const answer = (socket: Socket | undefined) => socket?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    const first = ask(`${proxy.origin}/first`)
    await eventually('the first is with the app', () => held.length === 1)
    const second = ask(`${proxy.origin}/second`)
    await eventually('the second waits', () => proxy.upstream.pool.queued === 1)
    await delay(200)
    answer(held[0])
    await eventually('the second is with the app', () => held.length === 2)
    answer(held[1])
    await Promise.all([first, second])
    await over(proxy, 2)
    const phases = slow(proxy).find(({ path }) => path === '/second')?.phasesMs as Record<string, number>
    expect(phases.queue).toBeGreaterThanOrEqual(190)
    expect(phases.connect).toBe(0)
  })

  it('tells the time in vain for a connection that does not open', async () => {
    const upstream = await silent()
    const url = `https://127.0.0.1:${upstream.port}`
    const proxy = await startTimed(upstream, { connectTimeoutMs: 200, slowMs: 100 }, { url })
    await ask(proxy.origin)
    await over(proxy)
    expect(slow(proxy)).toMatchObject([{ status: 504, upstream: url }])
    const phases = slow(proxy)[0]?.phasesMs as Record<string, number>
    expect(phases.connect).toBeGreaterThan(0)
    expect((phases.queue as number) + (phases.connect as number)).toBeGreaterThanOrEqual(150)
    expect(phases).toMatchObject({ firstByte: 0, body: 0 })
  })

  it('begins anew with what is sent again: no phase is negative, and they are all of the time', async () => {
    const upstream = await startRawUpstream((socket) => {
      socket.on('data', (bytes) => {
        if (String(bytes).startsWith('GET /first ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
        else setTimeout(() => void upstream.close(), 200) // so that there is no connection for the second attempt
      })
    })
    const proxy = await startTimed(upstream, { slowMs: 100 })
    await ask(`${proxy.origin}/first`)
    expect((await ask(`${proxy.origin}/second`)).status).toBe(502)
    await over(proxy, 2)
    const { phasesMs, durationMs } = slow(proxy)[0] as unknown as {
      phasesMs: Record<string, number>
      durationMs: number
    }
    const phases = Object.values(phasesMs)
    expect(Math.min(...phases)).toBeGreaterThanOrEqual(0)
    expect(Math.abs(phases.reduce((total, ms) => total + ms) - durationMs)).toBeLessThanOrEqual(4) // each is rounded
    expect(proxy.upstream.retries.granted).toBe(1)
  })

  it('has a reply that the app does not bring to its end, though nothing limits the whole', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Length': '10' }).write('abc')
    })
    const proxy = await startTimed(upstream, { idleTimeoutMs: 300, slowMs: 200 })
    await fetch(proxy.origin)
      .then((reply) => reply.text())
      .catch(() => undefined)
    await over(proxy)
    expect(slow(proxy)).toMatchObject([{ status: 200 }])
  })

  it('has nothing of what is quick, of a stream whose head was, or where it is off', async () => {
    const upstream = await startUpstream((request, response) => {
      if (request.url === '/quick') response.end('ok')
      else if (request.url === '/events') {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
        setTimeout(() => response.destroy(), 300)
      } else if (request.url === '/late') setTimeout(() => response.end('ok'), 300)
      else {
        response.write('a')
        setTimeout(() => response.end('b'), 300)
      }
    })
    const operations = { read: { slowMs: 250 }, write: { slowMs: 0 } }
    const proxy = await startTimed(upstream, {}, { policy: { operations } })
    await ask(`${proxy.origin}/stream`)
    await fetch(`${proxy.origin}/events`)
      .then((reply) => reply.text())
      .catch(() => undefined)
    await ask(`${proxy.origin}/late`, { method: 'DELETE' })
    await ask(`${proxy.origin}/late`)
    await over(proxy, 4)
    expect(slow(proxy).map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /late'])
  })
})
