import { describe, expect, it, onTestFinished } from 'vitest'
import { ADMIN_TOKEN, askAdmin } from '../testing/ask-admin.ts'
import { operatedProxy, operatedWorkers } from '../testing/operated-proxy.ts'
import { startRawUpstream, type TestUpstream } from '../testing/start-upstream.ts'

/** An app that answers when it is told to. */
const startSlowApp = async () => {
  const waiting: (() => void)[] = []
  const app: TestUpstream = await startRawUpstream((socket) => {
    socket.on('data', () => waiting.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')))
  })
  onTestFinished(() => app.close())
  return { url: app.url, waiting }
}

describe.each([
  ['a process', operatedProxy],
  ['workers', operatedWorkers],
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
  const { admin, child } = await operatedProxy(url)
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
    const { admin, child } = await operatedProxy(url)
    const headers = { Authorization: `Bearer ${ADMIN_TOKEN}`, 'Content-Type': type }
    expect((await fetch(`${admin}/drain`, { method: 'POST', headers, body })).status, type).toBe(202)
    expect(await child.exited()).toBe(0)
  }
})

it('a query that is not known is refused by its name', async () => {
  const { url } = await startSlowApp()
  const { admin } = await operatedProxy(url)
  expect(await askAdmin(admin, 'GET', '/drain?wait=yes')).toMatchObject({
    status: 400,
    body: { detail: 'wait: expected wait=1' },
  })
})
