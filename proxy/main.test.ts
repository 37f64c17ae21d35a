import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, createServer, get, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer as createNetServer } from 'node:net'
import { resolve } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { TestChild } from '#shared/testing/child-process.ts'
import { eventually } from '#shared/testing/eventually.ts'
import { proxyNode } from './node-options.ts'
import { type ProxyProcess, spawnProxy, startProxyProcess } from './testing/proxy-process.ts'
import { rawClient } from './testing/raw-client.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

let upstream: TestUpstream | undefined
let child: TestChild | undefined

afterEach(async () => {
  child?.process.kill('SIGKILL')
  await child?.exited()
  await upstream?.close()
  upstream = undefined
  child = undefined
})

const startMain = async (upstreamUrl: string, environment: Record<string, string> = {}): Promise<ProxyProcess> => {
  const running = await startProxyProcess(upstreamUrl, environment)
  child = running.child
  return running
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const status = async (url: string): Promise<number> => (await fetch(url)).status

describe('a proxy process', () => {
  it('is run by `npm run proxy` as it is tested', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    const environment = Object.entries(proxyNode.environment).map(([name, value]) => `${name}=${value}`)
    const flags = proxyNode.flags.map((flag) => flag.replace(`${resolve()}/`, './'))
    expect(scripts.proxy).toBe(`exec env ${environment.join(' ')} node ${flags.join(' ')} proxy/main.ts`)
  })

  it('needs nothing but UPSTREAM_URL, and answers probes and metrics on its admin port', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.end('hello')
    })
    const { origin, admin } = await startMain(upstream.url, { SIDEGATE_INSTANCE_ID: 'proxy-7' })
    expect(await (await fetch(origin)).text()).toBe('hello')
    expect(await status(`${admin}/health/live`)).toBe(200)
    await expect.poll(() => status(`${admin}/health/ready`)).toBe(200)
    expect(await status(`${origin}/__sidegate/health/ready`)).toBe(200)
    const metrics = await (await fetch(`${admin}/metrics`)).text()
    expect(metrics).toMatch(
      /sidegate_requests_total\{outcome="replied",status="200",instance_id="proxy-7",process="proxy"\} 1/,
    )
  })

  it('says who it is on /api/status, to the bearer of the token and to no one else', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.end()
    })
    const { admin, child: running } = await startMain(upstream.url, { ADMIN_TOKEN: 'a-token-of-some-length' })
    const bearer = (token: string) => fetch(`${admin}/api/status`, { headers: { Authorization: `Bearer ${token}` } })
    expect(await status(`${admin}/api/status`)).toBe(401)
    expect((await bearer('a-token-of-some-lengtH')).status).toBe(401)
    const answer = await bearer('a-token-of-some-length')
    expect(answer.status).toBe(200)
    const instances = new Set(running.lines.map((line) => line.instance))
    expect([...instances]).toEqual([((await answer.json()) as { instance: string }).instance])
  })

  it('takes a Unix socket for an upstream', async () => {
    const path = `/tmp/sidegate-test-${process.pid}.sock`
    const app = createServer((_incoming, outgoing) => {
      outgoing.end('by socket')
    })
    app.listen(path)
    await once(app, 'listening')
    try {
      const { origin } = await startMain(`unix:${path}`)
      expect(await (await fetch(origin)).text()).toBe('by socket')
    } finally {
      app.closeAllConnections()
      app.close()
    }
  })

  it('is unready while its app is down, live all the same, and says which dependency it is', async () => {
    const { admin, origin } = await startMain('http://127.0.0.1:9')
    await expect.poll(async () => (await (await fetch(`${admin}/health`)).text()).includes('ECONNREFUSED')).toBe(true)
    expect(await status(`${admin}/health/ready`)).toBe(503)
    expect(await status(`${admin}/health/live`)).toBe(200)
    expect(await (await fetch(`${origin}/__sidegate/health/ready`)).json()).toEqual({ status: 'not ready' })
  })

  it('stops before it binds a port where its configuration is bad, naming every bad variable', async () => {
    child = spawnProxy({
      UPSTREAM_URL: 'ftp://files',
      PORT: 'eighty',
      WORKERS: '0',
      ACCESS_LOG: 'some',
      DRAIN_DELAY_MS: '5000',
      DRAIN_TIMEOUT_MS: '1000',
    })
    expect(await child.exited()).toBe(78)
    for (const variable of ['UPSTREAM_URL', 'PORT', 'WORKERS', 'ACCESS_LOG', 'DRAIN_TIMEOUT_MS']) {
      expect(child.stderr()).toMatch(new RegExp(`^  ${variable}\\b`, 'm'))
    }
    expect(child.lines).toEqual([])
  })

  it('names the variable whose port is in use', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.end()
    })
    child = spawnProxy({ UPSTREAM_URL: upstream.url, HOST: '127.0.0.1', PORT: String(upstream.port) })
    expect(await child.exited()).toBe(78)
    expect(child.stderr()).toContain(`PORT: ${upstream.port} is already in use`)
  })

  it.each([
    ['HOST', 'nope.invalid', '1'],
    ['HOST', '/tmp', '1'],
    ['HOST', '192.0.2.1', '1'],
    ['HOST', '192.0.2.1', '2'],
    ['HOST', 'nope.invalid', '2'],
    ['ADMIN_HOST', 'nope.invalid', '1'],
    ['ADMIN_HOST', '192.0.2.1', '2'],
  ])('names the variable whose address cannot be had: %s=%s, WORKERS=%s', async (variable, host, workers) => {
    child = spawnProxy({
      UPSTREAM_URL: 'http://127.0.0.1:9',
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_HOST: '127.0.0.1',
      ADMIN_PORT: '0',
      WORKERS: workers,
      [variable]: host,
    })
    expect(await child.exited()).toBe(78)
    expect(child.stderr()).toContain(`  ${variable}: ${host} `)
    expect(child.stderr()).not.toContain('    at ')
  })
})

describe('a drain', () => {
  it('stays unready but serving for its delay, lets streams and WebSockets end, and exits 0', async () => {
    let stream: ServerResponse | undefined
    upstream = await startUpstream(
      (incoming, outgoing) => {
        if (incoming.url === '/stream') {
          stream = outgoing
          outgoing.write('first')
        } else outgoing.end('ok')
      },
      (server) => {
        new WebSocketServer({ server }).on('connection', (socket) => {
          socket.on('message', (data) => socket.send(data))
        })
      },
    )
    const running = await startMain(upstream.url, { DRAIN_DELAY_MS: '1000', DRAIN_TIMEOUT_MS: '20000' })
    await expect.poll(() => status(`${running.admin}/health/ready`)).toBe(200)
    const [reply] = (await once(get(`${running.origin}/stream`), 'response')) as [IncomingMessage]
    let received = ''
    reply.on('data', (chunk) => {
      received += chunk
    })
    const socket = new WebSocket(running.origin.replace('http', 'ws'))
    await once(socket, 'open')

    running.child.process.kill('SIGTERM')
    await running.child.line(({ msg }) => msg.startsWith('draining: not ready'))
    expect(await status(`${running.admin}/health/ready`)).toBe(503)
    expect(await status(`${running.admin}/health/live`)).toBe(200)
    expect(await status(running.origin)).toBe(200)

    const closing = await running.child.line(({ msg }) => msg === 'draining: no new connections')
    expect(closing.inFlight).toMatchObject({ requests: 1, upgrades: 1 })
    await expect(rawClient(Number(new URL(running.origin).port))).rejects.toThrow('ECONNREFUSED')
    socket.send('still here')
    expect(String((await once(socket, 'message'))[0])).toBe('still here')
    stream?.end(' and last')
    await once(reply, 'end')
    expect(received).toBe('first and last')
    socket.close()
    expect(await running.child.exited()).toBe(0)
    expect(await running.child.line(({ msg }) => msg === 'drained')).toMatchObject({
      reason: 'SIGTERM',
      inFlightAtStart: { requests: 1, upgrades: 1 },
    })
  })

  it('tells kept-alive clients to close, and loses none of their requests', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      setTimeout(() => outgoing.end('ok'), 2)
    })
    const running = await startMain(upstream.url, { DRAIN_DELAY_MS: '300' })
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    let answered = 0
    let isClosing = false
    const failures: unknown[] = []
    const client = async () => {
      // A client that was told to close, or cannot connect any more, is done: it would go elsewhere.
      for (let told = false; !told; ) {
        try {
          const sent = request(running.origin, { agent }).end()
          const [reply] = (await once(sent, 'response')) as [IncomingMessage]
          reply.resume()
          await once(reply, 'end')
          answered++
          told = reply.headers.connection === 'close'
        } catch (error) {
          if (isClosing && (error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return
          failures.push(error)
          return
        }
      }
    }
    const clients = Array.from({ length: 8 }, client)
    await eventually('traffic flows', () => answered > 50)
    running.child.process.kill('SIGTERM')
    await running.child.line(({ msg }) => msg.startsWith('draining: not ready'))
    isClosing = true
    await Promise.all(clients)
    agent.destroy()
    expect(failures).toEqual([])
    expect(await running.child.exited()).toBe(0)
  })

  it('that takes too long is cut at DRAIN_TIMEOUT_MS: exit 1, and the log counts what was lost', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.write('never ends')
    })
    const running = await startMain(upstream.url, { DRAIN_TIMEOUT_MS: '500' })
    const reply = once(
      get(running.origin).on('error', () => undefined),
      'response',
    )
    await reply
    running.child.process.kill('SIGTERM')
    expect(await running.child.exited()).toBe(1)
    const forced = await running.child.line(({ msg }) => msg.startsWith('drain forced'))
    expect(forced).toMatchObject({ reason: 'DRAIN_TIMEOUT_MS has passed', cut: { requests: 1, upgrades: 0 } })
    expect((forced.cut as { longestMs: number }).longestMs).toBeGreaterThan(0)
  })

  it('is not held up by a request that the admin port was never sent the end of', async () => {
    const running = await startMain('http://127.0.0.1:9', { DRAIN_TIMEOUT_MS: '60000' })
    const client = connect(Number(new URL(running.admin).port), '127.0.0.1').on('error', () => undefined)
    await once(client, 'connect')
    client.write('GET / HT')
    // Accepted after it.
    expect(await status(`${running.admin}/health/live`)).toBe(200)
    running.child.process.kill('SIGTERM')
    expect(await running.child.exited()).toBe(0)
    client.destroy()
  })

  it('is cut at once by a second signal', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.write('never ends')
    })
    const running = await startMain(upstream.url, { DRAIN_TIMEOUT_MS: '600000' })
    await once(
      get(running.origin).on('error', () => undefined),
      'response',
    )
    running.child.process.kill('SIGINT')
    await running.child.line(({ msg }) => msg.startsWith('draining: not ready'))
    running.child.process.kill('SIGINT')
    expect(await running.child.exited()).toBe(1)
    expect(await running.child.line(({ msg }) => msg.startsWith('drain forced'))).toMatchObject({
      reason: 'second signal, SIGINT',
    })
  })
})

describe('workers', () => {
  const startWorkers = async (environment: Record<string, string> = {}) => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.end('ok')
    })
    const holder = createNetServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as { port: number }
    holder.close()
    await once(holder, 'close')
    const started = spawnProxy({
      UPSTREAM_URL: upstream.url,
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_HOST: '127.0.0.1',
      ADMIN_PORT: '0',
      ADMIN_TOKEN: 'a-token-of-some-length',
      SIDEGATE_INSTANCE_ID: 'fleet',
      WORKERS: '2',
      DRAIN_DELAY_MS: '200',
      ...environment,
    })
    child = started
    const line = await started.line(({ msg }) => msg === 'proxy runs workers')
    const admin = `http://127.0.0.1:${(line.admin as { port: number }).port}`
    return { child: started, origin: `http://127.0.0.1:${port}`, admin }
  }
  const workersReady = async (admin: string): Promise<number> =>
    ((await (await fetch(`${admin}/health/ready`)).json()) as { workersReady: number }).workersReady
  const pids = (lines: TestChild['lines']): number[] =>
    lines.filter(({ msg }) => msg === 'proxy listens').map(({ pid }) => pid as number)

  it('serve one port between them, each with an ID of its own, and the admin port answers for all', async () => {
    const fleet = await startWorkers()
    await expect.poll(() => workersReady(fleet.admin), { timeout: 20_000 }).toBe(2)
    for (let sent = 0; sent < 20; sent++) expect(await status(fleet.origin)).toBe(200)
    const metrics = await (await fetch(`${fleet.admin}/metrics`)).text()
    const counts = [...metrics.matchAll(/sidegate_requests_total\{[^}]*instance_id="(fleet-w\d+)"[^}]*\} (\d+)/g)]
    expect(counts.reduce((sum, [, , count]) => sum + Number(count), 0)).toBe(20)
    const answer = await fetch(`${fleet.admin}/api/status`, {
      headers: { Authorization: 'Bearer a-token-of-some-length' },
    })
    const { workers } = (await answer.json()) as { workers: { instance: string }[] }
    expect(new Set(workers.map(({ instance }) => instance))).toEqual(new Set(['fleet-w1', 'fleet-w2']))
  })

  it('are restarted when one is killed, while the other serves on', async () => {
    const fleet = await startWorkers()
    await expect.poll(() => workersReady(fleet.admin), { timeout: 20_000 }).toBe(2)
    process.kill(pids(fleet.child.lines)[0] as number, 'SIGKILL')
    expect(await fleet.child.line(({ msg }) => msg === 'worker crashed')).toMatchObject({ signal: 'SIGKILL' })
    expect(await status(fleet.origin)).toBe(200)
    expect(await status(`${fleet.admin}/health/ready`)).toBe(200)
    await expect.poll(() => pids(fleet.child.lines).length, { timeout: 20_000 }).toBe(3)
    await expect.poll(() => workersReady(fleet.admin), { timeout: 20_000 }).toBe(2)
  })

  it('drain together on one signal to the whole process group, which counts as one', async () => {
    const fleet = await startWorkers()
    await expect.poll(() => workersReady(fleet.admin), { timeout: 20_000 }).toBe(2)
    process.kill(-(fleet.child.process.pid as number), 'SIGINT')
    expect(await fleet.child.exited()).toBe(0)
    expect(fleet.child.lines.filter(({ msg }) => msg === 'drained')).toHaveLength(2)
    for (const pid of pids(fleet.child.lines)) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('that hang count as not ready, and are killed by a second signal', async () => {
    const fleet = await startWorkers({ DRAIN_TIMEOUT_MS: '600000' })
    await expect.poll(() => workersReady(fleet.admin), { timeout: 20_000 }).toBe(2)
    const stopped = pids(fleet.child.lines)
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    await expect.poll(() => status(`${fleet.admin}/health/ready`), { timeout: 20_000 }).toBe(503)
    expect(await (await fetch(`${fleet.admin}/health/ready`)).json()).toMatchObject({
      status: 'unavailable',
      workersReady: 0,
      workers: [{ status: 'silent' }, { status: 'silent' }],
    })
    fleet.child.process.kill('SIGTERM')
    await fleet.child.line(({ msg }) => msg === 'workers are draining')
    fleet.child.process.kill('SIGINT')
    expect(await fleet.child.exited()).toBe(1)
    await expect.poll(() => stopped.filter(isAlive), { timeout: 5_000 }).toEqual([])
  }, 40_000)

  it('end with 78 and the variable’s name where their port is in use', async () => {
    upstream = await startUpstream((_incoming, outgoing) => {
      outgoing.end()
    })
    child = spawnProxy({
      UPSTREAM_URL: upstream.url,
      HOST: '127.0.0.1',
      PORT: String(upstream.port),
      ADMIN_PORT: '0',
      WORKERS: '2',
    })
    expect(await child.exited()).toBe(78)
    expect(child.stderr()).toContain(`PORT: ${upstream.port} is already in use`)
  })
})
