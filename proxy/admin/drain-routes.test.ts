import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../../deploy/local/ports.ts'
import { ADMIN_TOKEN, askAdmin } from '../testing/ask-admin.ts'
import { type ProxyProcess, spawnProxy, startProxyProcess } from '../testing/proxy-process.ts'
import { startRawUpstream, type TestUpstream } from '../testing/start-upstream.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** An app that answers when it is told to. */
const startSlowApp = async () => {
  const waiting: (() => void)[] = []
  const app: TestUpstream = await startRawUpstream((socket) => {
    socket.on('data', () => waiting.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')))
  })
  closing.push(() => app.close())
  return { url: app.url, waiting }
}

const killLater = ({ child }: ProxyProcess): void => {
  closing.push(async () => {
    child.process.kill('SIGKILL')
    await child.exited()
  })
}

const startProxy = async (appUrl: string): Promise<ProxyProcess> => {
  const proxy = await startProxyProcess(appUrl, { ADMIN_TOKEN })
  killLater(proxy)
  return proxy
}

const startWorkers = async (appUrl: string): Promise<ProxyProcess> => {
  const port = await freePort()
  const child = spawnProxy({
    ...{ UPSTREAM_URL: appUrl, WORKERS: '2', ADMIN_TOKEN, DRAIN_DELAY_MS: '0' },
    ...{ HOST: '127.0.0.1', PORT: String(port), ADMIN_HOST: '127.0.0.1', ADMIN_PORT: '0' },
  })
  const line = await child.line(({ msg }) => msg === 'proxy runs workers')
  const { port: adminPort } = line.admin as { port: number }
  const proxy = { child, origin: `http://127.0.0.1:${port}`, admin: `http://127.0.0.1:${adminPort}` }
  killLater(proxy)
  await expect
    .poll(() => fetch(`${proxy.admin}/health/ready`).then(({ status }) => status), { timeout: 10_000 })
    .toBe(200)
  return proxy
}

describe.each([
  ['a process', startProxy],
  ['workers', startWorkers],
])('the drain of %s', (_what, start) => {
  it('is begun by POST, and who waits is told once nothing is in flight', async () => {
    const { url, waiting } = await startSlowApp()
    const { admin, origin, child } = await start(url)
    expect((await askAdmin(admin, 'GET', '/drain')).body).toMatchObject({ phase: 'serving' })
    const early = askAdmin(admin, 'GET', '/drain?wait=1')
    const inFlight = fetch(origin)
    await expect.poll(() => waiting.length).toBe(1)

    const begun = await askAdmin(admin, 'POST', '/drain', { headers: { 'X-Request-ID': 'the-drain' } })
    expect(begun.status).toBe(202)
    expect(begun.body.phase).not.toBe('serving')
    expect((await askAdmin(admin, 'POST', '/drain')).status).toBe(202)
    expect(await child.line(({ msg }) => msg === 'drain asked for')).toMatchObject({
      ...{ audit: 'drain asked for', author: 'ADMIN_TOKEN', correlationId: 'the-drain' },
    })
    await expect.poll(() => fetch(`${admin}/health/ready`).then(({ status }) => status)).toBe(503)
    const late = askAdmin(admin, 'GET', '/drain?wait=1')
    let isTold = false
    void late.then(() => {
      isTold = true
    })
    await expect.poll(async () => (await askAdmin(admin, 'GET', '/drain')).body.inFlight.requests).toBe(1)
    expect(isTold).toBe(false)

    for (const answer of waiting) answer()
    expect(await (await inFlight).text()).toBe('ok')
    for (const told of [await early, await late]) {
      expect(told).toMatchObject({ status: 200, body: { phase: 'drained', inFlight: { requests: 0 } } })
    }
    expect(await child.exited()).toBe(0)
  })
})

it('who waits and leaves holds nothing up', async () => {
  const { url } = await startSlowApp()
  const { admin, child } = await startProxy(url)
  const leaving = new AbortController()
  const waiting = fetch(`${admin}/drain?wait=1`, {
    headers: { Authorization: `Bearer ${ADMIN_TOKEN}` },
    signal: leaving.signal,
  }).catch(() => 'left')
  await expect.poll(async () => (await askAdmin(admin, 'GET', '/drain')).status).toBe(200)
  leaving.abort()
  expect(await waiting).toBe('left')
  await askAdmin(admin, 'POST', '/drain')
  expect(await child.exited()).toBe(0)
})

it('may be asked for with any body or none', async () => {
  const { url } = await startSlowApp()
  for (const [type, body] of [
    ['application/x-www-form-urlencoded', ''],
    ['application/json', ''],
    ['text/plain', 'now'],
  ] as const) {
    const { admin, child } = await startProxy(url)
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}`, 'Content-Type': type }
    expect((await fetch(`${admin}/drain`, { method: 'POST', headers, body })).status, type).toBe(202)
    expect(await child.exited()).toBe(0)
  }
})

it('a query that is not known is refused by its name', async () => {
  const { url } = await startSlowApp()
  const { admin } = await startProxy(url)
  expect(await askAdmin(admin, 'GET', '/drain?wait=yes')).toMatchObject({
    status: 400,
    body: { detail: 'wait: expected wait=1' },
  })
})
