import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { clearanceCookie } from '../state/challenge/clearance-fields.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy, type TestProxy } from '../testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from '../testing/start-upstream.ts'

const cache = { visibility: 'public', maxAgeSeconds: 60 }
const policies = new TestPolicies({
  routes: {
    page: { match: { path: '/page/*' }, cache, stale: { keepSeconds: 600, bodyBytes: 10_000 } },
    typed: {
      ...{ match: { path: '/typed' }, stale: { keepSeconds: 600 } },
      cache: { ...cache, byType: { json: { visibility: 'private' as const } } },
    },
    'left-to-the-app': { match: { path: '/left-to-the-app' }, stale: { keepSeconds: 600 } },
    mixed: {
      ...{ match: { path: '/mixed' }, stale: { keepSeconds: 600 } },
      cache: { ...cache, ignoreCookies: true, byType: { json: { ignoreCookies: false } } },
    },
    cookies: { match: { path: '/cookies' }, stale: { keepSeconds: 600 }, cache: { ...cache, ignoreCookies: true } },
  },
})

type Answer = (request: IncomingMessage, response: ServerResponse) => void

let clock: { nowMs: number; wallMs(): number; monotonicMs(): number }
let app: TestUpstream
let proxy: TestProxy
/** What the app does from now on. */
let answer: Answer
let asked: number

const page: Answer = (_request, response) => {
  response.setHeader('ETag', '"one"').setHeader('Content-Type', 'text/plain').setHeader('Surrogate-Key', 'a b')
  response.setHeader('Cache-Control', 'public, max-age=60')
  response.end('the page')
}
const fail: Answer = (_request, response) => void response.writeHead(500).end('oh no')
const hangUp: Answer = (_request, response) => void response.destroy()

beforeEach(async () => {
  clock = { nowMs: 1_000_000, wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs }
  answer = page
  asked = 0
  app = await startUpstream((request, response) => {
    asked++
    answer(request, response)
  })
  proxy = await startProxy(app.url, { UPSTREAM_HEADERS_TIMEOUT_MS: '300' }, policies, { clock })
})
afterEach(async () => {
  await proxy.close()
  await app.close()
})

interface Got {
  readonly status: number
  readonly body: string
  readonly headers: Headers
  readonly cacheStatus: string | null
}

const get = async (path = '/page/1', headers: Record<string, string> = {}, method = 'GET'): Promise<Got> => {
  const reply = await fetch(`${proxy.origin}${path}`, { method, headers, redirect: 'manual' })
  const cacheStatus = reply.headers.get('cache-status')
  return { status: reply.status, body: await reply.text(), headers: reply.headers, cacheStatus }
}

/** Asks once, so that the reply is kept. */
const keep = async (path = '/page/1', headers: Record<string, string> = {}): Promise<void> => {
  const before = proxy.staleStore.bytes
  expect((await get(path, headers)).cacheStatus).toBeNull()
  await eventually('it is kept', () => proxy.staleStore.bytes > before)
}

describe('while the app fails, its last good reply is served', () => {
  it.each([
    ['answers 500', fail, 'error'],
    ['hangs up', hangUp, 'error'],
    ['says nothing', () => undefined, 'timeout'],
  ] as const)('where it %s', async (_what, failing, cause) => {
    await keep()
    answer = failing
    clock.nowMs += 100_500
    const got = await get()
    expect(got).toMatchObject({ status: 200, body: 'the page', cacheStatus: `sidegate; hit; ttl=-40; detail=${cause}` })
    expect(Object.fromEntries(got.headers)).toMatchObject({
      ...{
        age: '100',
        'cache-control': 'public, max-age=5',
        'cdn-cache-control': 'max-age=5',
        etag: '"one"',
        'surrogate-key': 'a b',
      },
      ...{ 'content-type': 'text/plain', 'content-length': '8', 'x-request-id': expect.any(String) },
    })
    expect(await proxy.line(({ outcome }) => outcome === 'stale')).toMatchObject({ status: 200, level: 'info' })
  })

  it('where it is gone', async () => {
    await keep()
    await app.close()
    expect(await get()).toMatchObject({ status: 200, cacheStatus: 'sidegate; hit; ttl=60; detail=unreachable' })
  })

  it('to HEAD without its body, and to who has it already as 304', async () => {
    await keep()
    answer = fail
    expect(await get('/page/1', {}, 'HEAD')).toMatchObject({ status: 200, body: '' })
    for (const tags of ['"one"', 'W/"one"', '"zero", "one"', '*']) {
      const got = await get('/page/1', { 'If-None-Match': tags })
      expect(got).toMatchObject({ status: 304, body: '' })
      expect([got.headers.get('etag'), got.headers.get('content-type'), got.headers.get('age')]).toEqual([
        '"one"',
        null,
        '0',
      ])
    }
    expect(await get('/page/1', { 'If-None-Match': '"two"' })).toMatchObject({ status: 200, body: 'the page' })
  })

  it.each([
    ['that time', 'Sun, 06 Nov 1994 08:49:37 GMT', 304],
    ['a later one', 'Mon, 07 Nov 1994 08:49:37 GMT', 304],
    ['an earlier one', 'Sat, 05 Nov 1994 08:49:37 GMT', 200],
    ['an obsolete form', 'Monday, 07-Nov-94 08:49:37 GMT', 200],
    ['a date of no protocol', '2094-11-07', 200],
    ['no date', 'Xyz, 99 Nov 9999 99:99:99 GMT', 200],
  ])('to who asks whether it has changed since %s', async (_name, since, status) => {
    answer = (_request, response) => void response.setHeader('Last-Modified', 'Sun, 06 Nov 1994 08:49:37 GMT').end('a')
    await keep()
    answer = fail
    expect((await get('/page/1', { 'If-Modified-Since': since })).status).toBe(status)
  })

  it('as it was chosen for the request', async () => {
    answer = ({ headers }, response) => {
      response.setHeader('Vary', 'Accept-Language')
      response.end(headers['accept-language'])
    }
    await keep('/page/1', { 'Accept-Language': 'de' })
    await keep('/page/1', { 'Accept-Language': 'fr' })
    answer = fail
    expect(await get('/page/1', { 'Accept-Language': 'de' })).toMatchObject({ status: 200, body: 'de' })
    expect(await get('/page/1', { 'Accept-Language': 'fr' })).toMatchObject({ status: 200, body: 'fr' })
    expect(await get('/page/1', { 'Accept-Language': 'en' })).toMatchObject({ status: 500, body: 'oh no' })
  })

  it('byte for byte, however it came', async () => {
    const bytes = Buffer.from(Array.from({ length: 9_000 }, (_, index) => (index * 7) & 255))
    answer = (_request, response) => {
      for (let at = 0; at < bytes.length; at += 1_000) response.write(bytes.subarray(at, at + 1_000))
      response.end()
    }
    await keep()
    answer = fail
    const reply = await fetch(`${proxy.origin}/page/1`)
    expect(reply.headers.get('content-length')).toBe('9000')
    expect(Buffer.from(await reply.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('as the last one that was good', async () => {
    await keep()
    clock.nowMs += 1_000
    answer = (_request, response) => void response.end('another page')
    expect((await get()).body).toBe('another page')
    await proxy.line(({ outcome, bodyBytes }) => outcome === 'replied' && bodyBytes === 12)
    answer = fail
    expect((await get()).body).toBe('another page')
  })

  it('until it is too old by what the operator says, or the app', async () => {
    await keep()
    answer = (_request, response) =>
      void response.setHeader('Cache-Control', 'max-age=60, must-revalidate').end('strict')
    await keep('/page/2')
    answer = fail
    clock.nowMs += 59_000
    expect([(await get('/page/1')).status, (await get('/page/2')).status]).toEqual([200, 200])
    clock.nowMs += 1_000
    expect([(await get('/page/1')).status, (await get('/page/2')).status]).toEqual([200, 500])
    clock.nowMs += 540_001
    expect((await get('/page/1')).status).toBe(500)
  })
})

describe('nothing is served', () => {
  it('that was not asked for in this way, by this name, or of a route that keeps nothing', async () => {
    await keep()
    answer = fail
    const statuses = [get('/page/1?a=b'), get('/page/2'), get('/other'), get('/page/1', {}, 'POST')]
    expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([500, 500, 500, 500])
  })

  it('to credentials, and nothing that credentials may have chosen is kept', async () => {
    await get('/page/1', { Authorization: 'Bearer a' })
    await get('/page/1', { Cookie: 'session=a' })
    expect(proxy.staleStore.size).toBe(0)
    await keep('/page/1', { Cookie: clearanceCookie('a', 60, false).split(';', 1)[0] ?? '' })
    await keep('/cookies', { Cookie: 'session=a' })
    answer = fail
    expect((await get('/page/1', { Authorization: 'Bearer a' })).status).toBe(500)
    expect((await get('/page/1', { Cookie: 'session=a' })).status).toBe(500)
    expect((await get('/page/1')).status).toBe(200)
    expect((await get('/cookies', { Cookie: 'session=b' })).status).toBe(200)
  })

  it('to whom it was not chosen for: by cookies of a type, or by what only we say', async () => {
    answer = ({ headers }, response) =>
      void response.setHeader('Content-Type', 'application/json').end(`for ${headers.cookie}`)
    await get('/mixed', { Cookie: 'session=alice' })
    expect(proxy.staleStore.size).toBe(0)
    for (const name of ['X-Forwarded-For', 'x-forwarded-proto', 'X-Request-ID', 'traceparent']) {
      answer = (_request, response) => void response.setHeader('Vary', `Accept, ${name}`).end('for one')
      await get()
    }
    expect(proxy.staleStore.size).toBe(0)
  })

  it('that the app keeps from CDNs, or says nothing of where the policy leaves it to the app', async () => {
    for (const name of ['CDN-Cache-Control', 'Surrogate-Control']) {
      for (const value of ['no-store', 'private', 'no-cache']) {
        answer = (_request, response) =>
          void response.setHeader('Cache-Control', 'max-age=60').setHeader(name, value).end('a')
        await get()
      }
    }
    answer = (_request, response) => void response.end('nothing said')
    await get('/left-to-the-app')
    expect(proxy.staleStore.size).toBe(0)
    answer = page
    await keep('/left-to-the-app')
  })

  it('that the app has taken back since', async () => {
    const gone: Answer = (_request, response) => void response.writeHead(410).end()
    const personal: Answer = (_request, response) => void response.setHeader('Cache-Control', 'private').end('mine')
    const confirmed: Answer = (_request, response) =>
      void response.writeHead(304, { ETag: '"one"', 'Cache-Control': 'no-store' }).end()
    for (const [index, takenBack] of [gone, personal, confirmed].entries()) {
      const path = `/page/${index}`
      answer = page
      await keep(path)
      answer = takenBack
      await get(path, { 'If-None-Match': '"one"' })
      answer = fail
      expect((await get(path)).status).toBe(500)
    }
  })

  it('of what has been written to', async () => {
    await keep()
    answer = (_request, response) => void response.writeHead(404).end()
    await get('/page/1', {}, 'DELETE')
    answer = fail
    expect((await get()).status).toBe(200)
    answer = (_request, response) => void response.writeHead(204).end()
    await get('/page/1', {}, 'DELETE')
    answer = fail
    expect((await get()).status).toBe(500)
  })

  it('that was on its way when its address was written to', async () => {
    let release: (() => void) | undefined
    const slow: Answer = (request, response) => {
      release = () => page(request, response)
    }
    const written: Answer = (_request, response) => void response.writeHead(204).end()
    for (const path of ['/page/written', '/page/other']) {
      answer = slow
      const underWay = get('/page/written')
      await eventually('the app is asked', () => release !== undefined)
      answer = written
      await get(path, {}, 'POST')
      release?.()
      release = undefined
      expect((await underWay).body).toBe('the page')
      answer = fail
      const isKept = path === '/page/other'
      if (isKept) await eventually('it is kept', () => proxy.staleStore.bytes > 0)
      expect((await get('/page/written')).status).toBe(isKept ? 200 : 500)
    }
  })

  it('of a type that the policy makes private', async () => {
    answer = (_request, response) => void response.setHeader('Content-Type', 'application/json').end('{}')
    await get('/typed')
    expect(proxy.staleStore.size).toBe(0)
    answer = page
    await keep('/typed')
  })

  it('that the app or the client did not want to be kept, or that is too large', async () => {
    await get('/page/1', { 'Cache-Control': 'no-store' })
    await get('/page/1', { Range: 'bytes=0-1' })
    answer = (_request, response) => void response.setHeader('Cache-Control', 'no-store').end('secret')
    await get()
    answer = (_request, response) => void response.end('x'.repeat(10_001))
    await get()
    answer = (_request, response) => {
      response.write('x'.repeat(6_000))
      setImmediate(() => response.end('x'.repeat(4_001)))
    }
    await get()
    answer = (_request, response) => {
      response.writeHead(200, { 'Content-Length': '10' }).write('half')
      setImmediate(() => response.destroy())
    }
    await expect(get()).rejects.toThrow()
    answer = fail
    expect((await get()).status).toBe(500)
    expect(proxy.staleStore.size).toBe(0)
  })
})

it('once the circuit is open the app is not asked, and what is kept is served', async () => {
  await keep()
  answer = fail
  const causes: (string | null)[] = []
  for (let time = 0; time < 12; time++) causes.push((await get()).cacheStatus)
  expect(causes.slice(0, 10)).toEqual(Array(10).fill('sidegate; hit; ttl=60; detail=error'))
  expect(causes.slice(10)).toEqual(Array(2).fill('sidegate; hit; ttl=60; detail=circuit-open'))
  expect(asked).toBe(11)
})

it('a 304 of the app makes what is kept as good as new', async () => {
  await keep()
  clock.nowMs += 500_000
  answer = (_request, response) =>
    void response.writeHead(304, { ETag: '"one"', 'Cache-Control': 'max-age=90', 'Content-Type': 'text/odd' }).end()
  expect((await get('/page/1', { 'If-None-Match': '"one"' })).status).toBe(304)
  clock.nowMs += 500_000
  answer = fail
  const got = await get()
  expect(got).toMatchObject({ status: 200, body: 'the page', cacheStatus: 'sidegate; hit; ttl=-410; detail=error' })
  expect(got.headers.get('content-type')).toBe('text/plain')
})

it('a reply that came sooner and ended later is not the last one', async () => {
  const waiting: ServerResponse[] = []
  answer = (_request, response) => {
    response.write('old ')
    waiting.push(response)
  }
  const older = get()
  await eventually('the older one has begun', () => waiting.length === 1)
  clock.nowMs += 2_000
  answer = (_request, response) => void response.end('the newer page')
  await keep()
  waiting[0]?.end('page')
  expect((await older).body).toBe('old page')
  answer = fail
  expect((await get()).body).toBe('the newer page')
})

it('what is kept of a busy address while it comes is bounded', async () => {
  const waiting: ServerResponse[] = []
  answer = (_request, response) => {
    response.write('x'.repeat(9_000))
    waiting.push(response)
  }
  const asking = Array.from({ length: 20 }, (_, index) => get(`/page/${index}`))
  await eventually('all have begun', () => waiting.length === 20 && proxy.staleStore.underWay.bytes > 0)
  for (const response of waiting) response.end()
  await Promise.all(asking)
  await eventually('all is let go', () => proxy.staleStore.underWay.bytes === 0)
})

it('a 304 of another reply makes nothing new', async () => {
  await keep()
  clock.nowMs += 500_000
  answer = (_request, response) => void response.writeHead(304, { ETag: '"two"' }).end()
  await get('/page/1', { 'If-None-Match': '"two"' })
  clock.nowMs += 500_000
  answer = fail
  expect((await get()).status).toBe(500)
})

it('once the app has failed at an address, one request at a time tries it, and none waits for that', async () => {
  await keep()
  await keep('/page/2')
  answer = hangUp
  await get()
  const before = asked
  const waiting: ServerResponse[] = []
  answer = (_request, response) => void waiting.push(response)
  const trying = get()
  await eventually('the app is asked', () => waiting.length === 1)
  const others = await Promise.all(Array.from({ length: 50 }, () => get()))
  expect(new Set(others.map(({ cacheStatus }) => cacheStatus))).toEqual(
    new Set(['sidegate; hit; ttl=60; detail=refilling']),
  )
  expect(asked).toBe(before + 1)
  const elsewhere = get('/page/2')
  await eventually('other addresses are asked for', () => waiting.length === 2)
  for (const response of waiting) response.end('a new page')
  expect([(await trying).body, (await elsewhere).body]).toEqual(['a new page', 'a new page'])
  const together = [get(), get()]
  await eventually('both are asked for', () => waiting.length === 4)
  for (const response of waiting) response.end('a new page')
  expect((await Promise.all(together)).map(({ cacheStatus }) => cacheStatus)).toEqual([null, null])
})

it('of a busy address one reply a second is kept', async () => {
  await keep()
  answer = (_request, response) => void response.end('another page')
  clock.nowMs += 999
  await get()
  answer = fail
  expect((await get()).body).toBe('the page')
})

it('an address at which the app answers with an error of its own is not held up for others', async () => {
  await keep()
  answer = ({ headers }, response) => {
    if (headers['x-odd'] === undefined) page({} as IncomingMessage, response)
    else response.writeHead(Number(headers['x-odd'])).end()
  }
  expect((await get('/page/1', { 'X-Odd': '501' })).status).toBe(501)
  expect((await get('/page/1', { 'X-Odd': '500' })).cacheStatus).toMatch(/detail=error$/)
  const odd = Array.from({ length: 20 }, () => get('/page/1', { 'X-Odd': '500' }))
  const others = await Promise.all(Array.from({ length: 20 }, () => get()))
  expect(new Set(others.map(({ cacheStatus }) => cacheStatus))).toEqual(new Set([null]))
  await Promise.all(odd)
})

it('a try whose client leaves is no try: the next request is', async () => {
  await keep()
  answer = hangUp
  await get()
  const waiting: ServerResponse[] = []
  answer = (_request, response) => void waiting.push(response)
  const leaving = new AbortController()
  const left = fetch(`${proxy.origin}/page/1`, { signal: leaving.signal }).catch(() => 'left')
  await eventually('the app is asked', () => waiting.length === 1)
  leaving.abort()
  expect(await left).toBe('left')
  await proxy.line(({ outcome }) => outcome === 'client-abort')
  answer = page
  expect((await get()).cacheStatus).toBeNull()
})
