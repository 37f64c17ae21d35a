import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { LocalRun } from './local-run.ts'

// Each starts whole runs, some of them several.
vi.setConfig({ testTimeout: 180_000 })

const start = async (environment: NodeJS.ProcessEnv = {}): Promise<LocalRun> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-e2e-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o711)
  const run = new LocalRun({ dataDir: folder, environment })
  await run.ready()
  return run
}

const BODY = JSON.stringify({ title: 'Slow boat', category: 'boats', priceCents: 1, city: 'Turku' })

/** A request of which the proxy has read the head and half of the body. */
const beginUpload = async (run: LocalRun): Promise<Socket> => {
  const { hostname, port } = new URL(run.url('proxy'))
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  const head = [
    'POST /listings HTTP/1.1',
    `Host: ${hostname}`,
    'X-Request-ID: slow-upload',
    'Content-Type: application/json',
    `Content-Length: ${BODY.length}`,
    // Its reply is the sign that the head was read.
    'Expect: 100-continue',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  const [told] = (await once(socket, 'data')) as [Buffer]
  expect(told.toString()).toMatch(/^HTTP\/1\.1 100 /)
  socket.write(BODY.slice(0, 10))
  return socket
}

const get = async (url: string, agent: Agent): Promise<{ status: number; closes: boolean }> => {
  const sent = request(url, { agent }).end()
  const [reply] = (await once(sent, 'response')) as [IncomingMessage]
  await text(reply)
  return { status: reply.statusCode ?? 0, closes: reply.headers.connection === 'close' }
}

describe('a drain of the whole pod', () => {
  test('announces itself, serves on, and loses no request before it stops accepting', async () => {
    const run = await start({ DRAIN_DELAY_MS: '1500', DRAIN_TIMEOUT_MS: '8000' })
    const agent = new Agent({ keepAlive: true, maxSockets: 4 })
    onTestFinished(() => agent.destroy())
    const listings = `${run.url('proxy')}/listings?limit=1`
    const ready = `${run.url('admin')}/health/ready`
    expect((await get(ready, agent)).status).toBe(200)

    run.signal('SIGTERM')
    await run.logged({ process: 'proxy', msg: /^draining: not ready/ })
    expect((await get(ready, agent)).status).toBe(503)
    const statuses: number[] = []
    let failure: NodeJS.ErrnoException | undefined
    while (failure === undefined) {
      try {
        statuses.push((await get(listings, agent)).status)
      } catch (error) {
        failure = error as NodeJS.ErrnoException
      }
    }
    // Refused is what a client sees that comes too late; one that was accepted is never cut off.
    expect(failure.code).toBe('ECONNREFUSED')
    expect(statuses.length).toBeGreaterThan(10)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(await run.ended).toBe(0)
    await run.expectNoProcessLeft()
  })

  test('lets a request that is under way end, through proxy, app and database', async () => {
    const run = await start({ DRAIN_TIMEOUT_MS: '20000' })
    const socket = await beginUpload(run)
    run.signal('SIGTERM')
    await run.logged({ process: 'proxy', msg: 'draining: no new connections' })
    const reply = text(socket)
    socket.write(BODY.slice(10))
    expect(await reply).toMatch(/^HTTP\/1\.1 201 [\s\S]*\r\nConnection: close\r\n/i)
    expect(await run.ended).toBe(0)
    // The app began its own drain only then.
    const messages = run.log.filter((line) => /^(draining: not ready|drained)/.test(String(line.msg)))
    expect(messages.map((line) => [line.process, String(line.msg).slice(0, 8)])).toEqual([
      ...[
        ['proxy', 'draining'],
        ['proxy', 'drained'],
      ],
      ...[
        ['app', 'draining'],
        ['app', 'drained'],
      ],
    ])
  })

  test('cuts what does not end in time, and says so', async () => {
    const run = await start({ DRAIN_TIMEOUT_MS: '1500' })
    await beginUpload(run)
    run.signal('SIGTERM')
    expect(await run.ended).toBe(0)
    expect(await run.logged({ process: 'proxy', msg: /^drain forced/ })).toMatchObject({ cut: { requests: 1 } })
    await run.expectNoProcessLeft()
  })

  test('is forced by a second signal', async () => {
    const run = await start({ DRAIN_DELAY_MS: '500', DRAIN_TIMEOUT_MS: '60000' })
    await beginUpload(run)
    run.signal('SIGINT')
    await run.logged({ process: 'proxy', msg: 'draining: no new connections' })
    run.signal('SIGINT')
    expect(await run.ended).toBe(1)
    await run.expectNoProcessLeft()
  })
})
