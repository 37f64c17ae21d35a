import { afterEach, describe, expect, it } from 'vitest'
import type { EmergencyState } from '../state/emergency/emergency-state.ts'
import { TestPolicies } from '../testing/policies.ts'
import { rawClient } from '../testing/raw-client.ts'
import { type RawReply, rawReplies, values } from '../testing/raw-replies.ts'
import { startProxy, type TestProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

/** What the app replies with. */
interface Said {
  readonly status?: number
  /** Names and values. */
  readonly fields?: readonly (readonly [string, string])[]
}

interface Asking {
  readonly method?: string
  readonly path?: string
  readonly fields?: readonly string[]
}

interface Edge {
  readonly proxy: TestProxy
  readonly emergency: { state: EmergencyState }
  /** What comes of it when the app says `said`. */
  ask(said: Said, asking?: Asking): Promise<RawReply>
}

const start = async (document: object = {}): Promise<Edge> => {
  let next: Said = {}
  const app = await startUpstream((request, response) => {
    const { status = 200, fields = [] } = next
    response.writeHead(status, fields.flat())
    request.resume().on('end', () => response.end(status === 304 || status === 204 ? '' : 'ok'))
  })
  opened.push(app)
  const emergency: { state: EmergencyState } = { state: 'calm' }
  const proxy = await startProxy(app.url, {}, new TestPolicies({ emergency: { challengeShare: 0 }, ...document }), {
    emergency,
  })
  opened.push(proxy)
  return {
    proxy,
    emergency,
    async ask(said, { method = 'GET', path = '/things', fields = [] } = {}) {
      next = said
      const client = await rawClient(proxy.port)
      const lines = ['Host: a.example', 'Connection: close', ...fields]
      client.send(`${method} ${path} HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
      const received = await client.closed()
      const read = method === 'HEAD' ? received.replace(/Transfer-Encoding: chunked/i, 'Content-Length: 0') : received
      return rawReplies(read)[0] as RawReply
    },
  }
}

/** All of a reply that caches go by. */
const caching = (reply: RawReply): Record<string, string> =>
  Object.fromEntries(
    reply.headers.flatMap(([name, value]) =>
      /^(cache-control|expires|pragma|.*cdn-cache-control|surrogate-.*|cache-tag|vary)$/i.test(name)
        ? [[name.toLowerCase(), value]]
        : [],
    ),
  )

const type = (value: string): [string, string] => ['Content-Type', value]
const control = (value: string): [string, string] => ['Cache-Control', value]

const everywhere = (cache: object, more: object = {}) => ({
  routes: { all: { match: { path: '/*' }, cache } },
  ...more,
})

describe('without a word in the policy', () => {
  it('a reply about which the app says nothing is kept by the browser alone, which asks each time', async () => {
    const { ask } = await start()
    for (const said of ['application/json', 'text/html; charset=utf-8', 'image/png', 'font/woff2', 'text/css']) {
      expect(caching(await ask({ fields: [type(said)] })), said).toEqual({ 'cache-control': 'private, no-cache' })
    }
    expect(caching(await ask({ status: 302 }))).toEqual({ 'cache-control': 'private, no-cache' })
  })

  it('what the app says goes out as it said it', async () => {
    const { ask } = await start()
    for (const said of [
      'public,max-age=60',
      'max-age=60',
      'no-store',
      'private, max-age=5',
      's-maxage=9, no-transform',
      'Public, Max-Age=1, a="b, c"',
    ]) {
      expect(caching(await ask({ fields: [control(said)] }))).toEqual({ 'cache-control': said })
    }
    const date = ['Date', 'Sun, 06 Nov 1994 08:49:37 GMT'] as const
    const expires = ['Expires', 'Sun, 06 Nov 1994 08:50:37 GMT'] as const
    expect(caching(await ask({ fields: [date, expires] }))).toEqual({ expires: expires[1] })
  })

  it.each([
    ['a request with Authorization', {}, { fields: ['Authorization: Bearer x'] }],
    ['a request with a cookie', {}, { fields: ['Cookie: a=b'] }],
    ['a reply that sets a cookie', { fields: [['Set-Cookie', 'a=b']] }, {}],
    ['an error', { status: 404 }, {}],
    ['a failure', { status: 503 }, {}],
    ['a reply that varies by anything', { fields: [['Vary', 'Accept, *']] }, {}],
    ['a reply to a POST', {}, { method: 'POST' }],
  ] as const)('%s is never public, whatever the app says', async (_what, said, asking) => {
    const { ask } = await start()
    const fields = [...('fields' in said ? said.fields : []), type('image/png')]
    const reply = await ask(
      {
        ...said,
        fields: [
          ...fields,
          control('public, max-age=60, s-maxage=600, immutable'),
          ['CDN-Cache-Control', 'max-age=9'],
          ['Surrogate-Key', 'a'],
        ],
      },
      asking,
    )
    const { vary: _vary, ...rest } = caching(reply)
    expect(rest).toEqual({ 'cache-control': 'private, max-age=60, immutable' })
    expect(caching(await ask({ ...said, fields: [...fields, control('no-store')] }, asking))).toMatchObject({
      'cache-control': 'no-store',
    })
  })

  it('an error about which the app says nothing is kept by nobody', async () => {
    const { ask } = await start()
    for (const status of [400, 404, 410, 500, 503]) {
      expect(caching(await ask({ status, fields: [type('image/png')] }))).toEqual({ 'cache-control': 'no-store' })
    }
  })

  it('a reply to a POST is left alone where the app says nothing', async () => {
    const { ask } = await start()
    expect(caching(await ask({}, { method: 'POST' }))).toEqual({})
  })

  it('our own clearance is no cookie of the app’s', async () => {
    const { ask } = await start()
    const said = { fields: [control('max-age=60')] }
    expect(caching(await ask(said, { fields: ['Cookie: sidegate-clearance=x'] }))).toEqual({
      'cache-control': 'max-age=60',
    })
    expect(caching(await ask(said, { fields: ['Cookie: sidegate-clearance=x; a=b'] }))).toEqual({
      'cache-control': 'private, max-age=60',
    })
  })

  it('what cannot be read is kept by nobody', async () => {
    const { ask } = await start()
    for (const said of ['public; max-age=60', 'max-age', 'max-age=1m', 'max-age = 60', 'public "x"']) {
      expect(caching(await ask({ fields: [control(said)] })), said).toEqual({ 'cache-control': 'no-store' })
    }
  })
})

describe('a public route', () => {
  it.each([
    ['text/html', 'public, max-age=0', 'max-age=60, stale-while-revalidate=60, stale-if-error=86400'],
    ['application/json', 'public, max-age=0', 'max-age=0'],
    ['application/problem+json', 'public, max-age=0', 'max-age=0'],
    ['image/webp', 'public, max-age=3600', 'max-age=604800, stale-while-revalidate=3600, stale-if-error=86400'],
    ['video/mp4', 'public, max-age=3600', 'max-age=604800, stale-while-revalidate=3600, stale-if-error=86400'],
    ['font/woff2', 'public, max-age=604800', 'max-age=2592000, stale-while-revalidate=86400, stale-if-error=86400'],
    ['text/css', 'public, max-age=300', 'max-age=86400, stale-while-revalidate=60, stale-if-error=86400'],
    ['application/pdf', 'public, max-age=3600', 'max-age=86400, stale-while-revalidate=3600, stale-if-error=86400'],
    ['text/event-stream', 'public, max-age=0', 'max-age=0'],
  ])('has times that fit %s', async (said, browser, cdn) => {
    const { ask } = await start(everywhere({ visibility: 'public' }))
    expect(caching(await ask({ fields: [type(said)] }))).toEqual({
      'cache-control': browser,
      'cdn-cache-control': cdn,
      'surrogate-control': cdn,
    })
  })

  it('may say more of some types', async () => {
    const { ask } = await start(
      everywhere({
        visibility: 'public',
        maxAgeSeconds: 10,
        byType: { json: { visibility: 'no-store' }, images: { cdnMaxAgeSeconds: 99, staleIfErrorSeconds: 5 } },
      }),
    )
    expect(caching(await ask({ fields: [type('application/json')] }))).toEqual({ 'cache-control': 'no-store' })
    expect(caching(await ask({ fields: [type('image/png')] }))).toMatchObject({
      'cache-control': 'public, max-age=10',
      'cdn-cache-control': 'max-age=99, stale-while-revalidate=3600, stale-if-error=5',
    })
    expect(caching(await ask({ fields: [type('font/woff')] }))).toMatchObject({
      'cache-control': 'public, max-age=10',
      'cdn-cache-control': 'max-age=10, stale-while-revalidate=86400, stale-if-error=86400',
    })
  })

  it('is not public to whom it is personal, and the browser keeps what it may', async () => {
    const { ask } = await start(everywhere({ visibility: 'public', tags: ['t'] }))
    const image = { fields: [type('image/png')] }
    const personal = { 'cache-control': 'private, max-age=3600' }
    expect(caching(await ask(image, { fields: ['Cookie: a=b'] }))).toEqual(personal)
    expect(caching(await ask(image, { fields: ['Authorization: Basic x'] }))).toEqual(personal)
    expect(caching(await ask({ fields: [...image.fields, ['Set-Cookie', 'a=b']] }))).toEqual(personal)
    expect(caching(await ask({ ...image, status: 404 }))).toEqual({ 'cache-control': 'no-store' })
    expect(caching(await ask({ ...image, status: 302 }))).toEqual({ 'cache-control': 'private, no-cache' })
  })

  it('may be public for all cookies, unless the app says that they change it', async () => {
    const { ask } = await start(everywhere({ visibility: 'public', ignoreCookies: true }))
    const asking = { fields: ['Cookie: a=b'] }
    const image = type('image/png')
    expect(caching(await ask({ fields: [image] }, asking))).toMatchObject({ 'cache-control': 'public, max-age=3600' })
    expect(caching(await ask({ fields: [image, ['Vary', 'accept, COOKIE']] }, asking))).toEqual({
      'cache-control': 'private, max-age=3600',
      vary: 'accept, COOKIE',
    })
  })

  it.each([
    ['max-age=5', 'public, max-age=5', 'max-age=5'],
    ['max-age=5, s-maxage=7', 'public, max-age=5', 'max-age=7'],
    ['max-age=500, s-maxage=700', 'public, max-age=60', 'max-age=120'],
    ['s-maxage=7', 'public, max-age=60', 'max-age=7'],
    ['no-cache', 'public, no-cache', 'no-cache, max-age=0'],
    ['max-age=5, must-revalidate, x=y', 'public, max-age=5, must-revalidate, x=y', 'max-age=5, must-revalidate'],
    ['must-revalidate', 'public, max-age=60, must-revalidate', 'max-age=120, must-revalidate'],
    ['no-transform', 'public, max-age=60, no-transform', 'max-age=120'],
    [
      'max-age=5, stale-while-revalidate=3',
      'public, max-age=5, stale-while-revalidate=3',
      'max-age=5, stale-while-revalidate=3',
    ],
    ['private', 'private', undefined],
    ['private, max-age=500', 'private, max-age=60', undefined],
    ['public, no-store', 'public, no-store', undefined],
  ])('gives way to the app’s stricter %s', async (said, browser, cdn) => {
    const { ask } = await start(everywhere({ visibility: 'public', maxAgeSeconds: 60, cdnMaxAgeSeconds: 120 }))
    const { 'cache-control': toAll, 'cdn-cache-control': toCdn } = caching(
      await ask({ fields: [type('application/json'), control(said)] }),
    )
    expect([toAll, toCdn]).toEqual([browser, cdn])
  })

  it('leaves an app its own times where it gives none itself', async () => {
    const { ask } = await start(everywhere({ visibility: 'public' }))
    expect(caching(await ask({ fields: [type('image/png'), control('max-age=99999')] }))).toMatchObject({
      'cache-control': 'public, max-age=99999',
      'cdn-cache-control': 'max-age=99999',
    })
  })

  it('combines several lines, and counts Expires and Pragma where they stand alone', async () => {
    const { ask } = await start(everywhere({ visibility: 'public' }))
    const image = type('image/png')
    expect(caching(await ask({ fields: [image, control('max-age=9'), control('private')] }))).toEqual({
      'cache-control': 'private',
    })
    const date = ['Date', 'Sun, 06 Nov 1994 08:49:37 GMT'] as const
    const expires = (value: string) => ['Expires', value] as const
    expect(caching(await ask({ fields: [image, date, expires('Sun, 06 Nov 1994 08:50:37 GMT')] }))).toMatchObject({
      'cache-control': 'public, max-age=60',
      'cdn-cache-control': 'max-age=60',
    })
    expect(caching(await ask({ fields: [image, date, expires('0')] }))).toMatchObject({
      'cache-control': 'public, max-age=0',
      'cdn-cache-control': 'max-age=0',
    })
    expect(caching(await ask({ fields: [image, ['Pragma', 'no-cache']] }))).toMatchObject({
      'cache-control': 'public, no-cache',
      'cdn-cache-control': 'no-cache, max-age=0',
    })
  })

  it('says of a HEAD, a part and a 304 what it says of the whole, and leaves the rest alone', async () => {
    const { ask } = await start(everywhere({ visibility: 'public', vary: ['Accept'] }))
    const path = '/a.png'
    const fields: [string, string][] = [type('image/png'), ['ETag', '"x"'], ['Age', '3']]
    const whole = await ask({ fields }, { path })
    expect(caching(whole)).toMatchObject({ 'cache-control': 'public, max-age=3600', vary: 'Accept' })
    expect(caching(await ask({ fields }, { path, method: 'HEAD' }))).toEqual(caching(whole))
    const range = await ask(
      { status: 206, fields: [...fields, ['Content-Range', 'bytes 0-1/9'], ['Content-Length', '2']] },
      { path, fields: ['Range: bytes=0-1'] },
    )
    expect(caching(range)).toEqual(caching(whole))
    expect(values(range, 'content-range')).toEqual(['bytes 0-1/9'])
    const unchanged = await ask({ status: 304, fields: [['ETag', '"x"']] }, { path, fields: ['If-None-Match: "x"'] })
    expect(caching(unchanged)).toEqual(caching(whole))
    for (const reply of [whole, range, unchanged]) expect(values(reply, 'etag')).toEqual(['"x"'])
    expect(values(whole, 'age')).toEqual(['3'])
  })

  it('says nothing in a 304 that does not tell what it is of, so that a cache keeps what it was told', async () => {
    const { ask } = await start(everywhere({ visibility: 'public' }))
    expect(caching(await ask({ status: 304, fields: [['ETag', '"x"']] }))).toEqual({})
    const uniform = await start()
    expect(caching(await uniform.ask({ status: 304, fields: [['ETag', '"x"']] }))).toEqual({
      'cache-control': 'private, no-cache',
    })
  })
})

describe('a route that is', () => {
  it('no-store, is that whatever the app and its vendors say', async () => {
    const { ask } = await start(everywhere({ visibility: 'no-store' }))
    const said = {
      fields: [
        control('public, max-age=9'),
        ['Expires', 'Sun, 06 Nov 2094 08:50:37 GMT'],
        ['Surrogate-Control', 'max-age=9'],
        ['Vercel-CDN-Cache-Control', 'max-age=9'],
        ['Cache-Tag', 'a'],
      ],
    } as const
    for (const method of ['GET', 'POST']) {
      expect(caching(await ask(said, { method }))).toEqual({ 'cache-control': 'no-store' })
    }
  })

  it('private, is for the browser, for no longer than it says', async () => {
    const { ask } = await start(everywhere({ visibility: 'private', maxAgeSeconds: 60 }))
    expect(caching(await ask({}))).toEqual({ 'cache-control': 'private, max-age=60' })
    expect(caching(await ask({ fields: [control('public, max-age=600, s-maxage=9')] }))).toEqual({
      'cache-control': 'private, max-age=60',
    })
    expect(caching(await ask({ fields: [control('max-age=6')] }))).toEqual({ 'cache-control': 'private, max-age=6' })
  })
})

describe('the CDN is told in its own words', () => {
  const times = {
    visibility: 'public',
    maxAgeSeconds: 60,
    cdnMaxAgeSeconds: 600,
    staleIfErrorSeconds: 9,
    tags: ['a', 'b'],
  }
  it.each([
    [
      'cloudflare',
      {
        'cache-control': 'public, max-age=60',
        'cdn-cache-control': 'max-age=600, stale-if-error=9',
        'cache-tag': 'a,b',
      },
    ],
    [
      'fastly',
      {
        'cache-control': 'public, max-age=60',
        'surrogate-control': 'max-age=600, stale-if-error=9',
        'surrogate-key': 'a b',
      },
    ],
    ['cloudfront', { 'cache-control': 'public, max-age=60, s-maxage=600, stale-if-error=9' }],
    [
      'generic',
      {
        'cache-control': 'public, max-age=60',
        'cdn-cache-control': 'max-age=600, stale-if-error=9',
        'surrogate-control': 'max-age=600, stale-if-error=9',
        'surrogate-key': 'a b',
        'cache-tag': 'a,b',
      },
    ],
  ])('%s', async (vendor, expected) => {
    const { ask } = await start(everywhere(times, { cdn: { vendor } }))
    expect(caching(await ask({ fields: [type('application/json')] }))).toEqual(expected)
  })

  it.each([
    ['cloudflare', { 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=9', 'cache-tag': 'x,y,z' }],
    ['fastly', { 'cache-control': 'private, no-store', 'surrogate-control': 'max-age=9', 'surrogate-key': 'x y z' }],
    ['cloudfront', { 'cache-control': 'no-store' }],
  ])('also by an app that speaks those of another (%s)', async (vendor, expected) => {
    const { ask } = await start({ cdn: { vendor } })
    const fields = [
      control('no-store'),
      ['surrogate-control', 'max-age=9'],
      ['Surrogate-Key', 'x  y'],
      ['Cache-Tag', 'y, z'],
    ]
    expect(caching(await ask({ fields: fields as [string, string][] }))).toEqual(expected)
  })

  it('what has no meaning here goes on to the CDN, as far as a structured field has room for it', async () => {
    const { ask } = await start({ cdn: { vendor: 'cloudflare' } })
    const fields = [['Surrogate-Control', 'max-age=9, content="ESI/1.0", x, x, Upper=1, odd=1.2.3']] as [
      string,
      string,
    ][]
    expect(caching(await ask({ fields }))).toEqual({ 'cdn-cache-control': 'max-age=9, content="ESI/1.0", x' })
  })

  it('Fastly goes by private, and by times, alone', async () => {
    const { ask } = await start({ cdn: { vendor: 'fastly' } })
    expect(caching(await ask({ fields: [control('no-store')] }))).toEqual({ 'cache-control': 'private, no-store' })
    expect(caching(await ask({ fields: [control('no-cache')] }))).toEqual({
      'cache-control': 'no-cache',
      'surrogate-control': 'max-age=0',
    })
    expect(caching(await ask({ status: 500 }))).toEqual({ 'cache-control': 'private, no-store' })
  })

  it('what the app keeps from CDNs is kept from all that is shared', async () => {
    const { ask } = await start(everywhere({ visibility: 'public' }))
    const fields = [control('max-age=60'), ['CDN-Cache-Control', 'no-store']] as [string, string][]
    expect(caching(await ask({ fields }))).toEqual({ 'cache-control': 'private, max-age=60' })
    const without = await start()
    expect(caching(await without.ask({ fields }))).toEqual({ 'cache-control': 'private, max-age=60' })
  })
})

describe('tags', () => {
  it('are the policy’s and the app’s, each once', async () => {
    const { ask } = await start(
      everywhere({ visibility: 'public', tags: ['site', 'all'] }, { cdn: { vendor: 'fastly' } }),
    )
    const reply = await ask({
      fields: [
        ['Surrogate-Key', 'page-7 all'],
        ['Cache-Tag', 'x,site'],
      ],
    })
    expect(caching(reply)['surrogate-key']).toBe('site all page-7 x')
  })

  it('go out with what an app alone makes public', async () => {
    const { ask } = await start(everywhere({ tags: ['site'] }, { cdn: { vendor: 'cloudflare' } }))
    expect(caching(await ask({ fields: [control('max-age=60')] }))).toEqual({
      'cache-control': 'max-age=60',
      'cache-tag': 'site',
    })
    expect(caching(await ask({ fields: [control('private')] }))).toEqual({ 'cache-control': 'private' })
  })

  it('that do not fit make a reply private, rather than one that cannot be purged', async () => {
    const { ask } = await start(everywhere({ visibility: 'public' }, { cdn: { vendor: 'fastly' } }))
    const image = type('image/png')
    const isPublic = async (name: string, value: string) =>
      (caching(await ask({ fields: [image, [name, value]] }))['cache-control'] ?? '').startsWith('public')
    const distinct = Array.from({ length: 16 }, (_, at) => String.fromCharCode(97 + at).repeat(1_023)).join(' ')
    expect(distinct.length).toBe(16_383)
    expect(await isPublic('Surrogate-Key', distinct)).toBe(true)
    expect(await isPublic('Surrogate-Key', `${distinct}x`)).toBe(true)
    expect(await isPublic('Surrogate-Key', `${distinct}xx`)).toBe(false)
    expect(await isPublic('Surrogate-Key', 'k'.repeat(1_024))).toBe(true)
    expect(await isPublic('Surrogate-Key', 'k'.repeat(1_025))).toBe(false)
    expect(await isPublic('Cache-Tag', 'a b')).toBe(false)
    expect(await isPublic('Surrogate-Key', 'a,b')).toBe(true)
    const cloudflare = await start(everywhere({ visibility: 'public' }, { cdn: { vendor: 'cloudflare' } }))
    expect(caching(await cloudflare.ask({ fields: [image, ['Surrogate-Key', 'a,b']] }))).toEqual({
      'cache-control': 'private, max-age=3600',
    })
  })
})

describe('Vary', () => {
  it('is the app’s with what the policy adds, in the app’s order and spelling', async () => {
    const { ask } = await start(everywhere({ visibility: 'public', vary: ['Accept', 'x-tenant'] }))
    const fields: [string, string][] = [
      ['Vary', 'accept-encoding'],
      ['vary', 'ACCEPT, , Origin'],
    ]
    expect(caching(await ask({ fields }))).toMatchObject({ vary: 'accept-encoding, ACCEPT, Origin, x-tenant' })
    expect(caching(await ask({ fields: [['Vary', '*']] }))).toEqual({
      'cache-control': 'private, max-age=0',
      vary: '*',
    })
    expect(caching(await ask({ fields: [['Vary', 'a b']] }))).toEqual({
      'cache-control': 'private, max-age=0',
      vary: '*',
    })
  })
})

describe('a name with a content hash', () => {
  const sha = 'ab'.repeat(32)
  const forever = { 'cache-control': 'public, max-age=31536000, immutable' }

  it.each([`/media/ab/ab/${sha}.png`, '/assets/app.3f2a9c1b.js', '/app.3f2a9c1b.css'])(
    'is for a year: %s',
    async (path) => {
      const { ask } = await start()
      const said = path.endsWith('png') ? 'image/png' : 'text/javascript'
      const reply = caching(await ask({ fields: [type(said)] }, { path }))
      expect(reply).toMatchObject({ ...forever, 'cdn-cache-control': 'max-age=31536000' })
      expect(caching(await ask({ status: 304 }, { path }))).toEqual(reply)
    },
  )

  it('is not, where the app, the policy or the request is stricter, or it is no file', async () => {
    const { ask } = await start()
    const path = '/app.3f2a9c1b.js'
    const script = type('text/javascript')
    expect(caching(await ask({ fields: [script, control('max-age=60')] }, { path }))).toMatchObject({
      'cache-control': 'public, max-age=60',
      'cdn-cache-control': 'max-age=60',
    })
    expect(caching(await ask({ fields: [script, control('no-store')] }, { path }))).toEqual({
      'cache-control': 'no-store',
    })
    expect(caching(await ask({ fields: [script] }, { path, fields: ['Cookie: a=b'] }))).toEqual({
      'cache-control': 'private, max-age=31536000, immutable',
    })
    expect(caching(await ask({ status: 404, fields: [script] }, { path }))).toEqual({ 'cache-control': 'no-store' })
    expect(caching(await ask({ fields: [type('application/json')] }, { path: '/k.3f2a9c1b.json' }))).toEqual({
      'cache-control': 'private, no-cache',
    })
    const off = await start({ cdn: { hashedNamesAreImmutable: false } })
    expect(caching(await off.ask({ fields: [script] }, { path }))).toEqual({ 'cache-control': 'private, no-cache' })
    const privately = await start(everywhere({ visibility: 'no-store' }))
    expect(caching(await privately.ask({ fields: [script] }, { path }))).toEqual({ 'cache-control': 'no-store' })
  })
})

describe('in an emergency', () => {
  it.each(['emergency', 'recovering'] as const)(
    '(%s) the policy’s times in the CDN grow, and no other',
    async (state) => {
      const { ask, emergency } = await start(
        everywhere(
          {
            visibility: 'public',
            maxAgeSeconds: 60,
            cdnMaxAgeSeconds: 600,
            byType: { fonts: { cdnMaxAgeSeconds: 30_000_000 } },
          },
          { cdn: { vendor: 'cloudflare' }, emergency: { cdnTtlFactor: 10, challengeShare: 0 } },
        ),
      )
      const json = type('application/json')
      emergency.state = state
      const cdnTime = async (...fields: [string, string][]) => caching(await ask({ fields }))['cdn-cache-control']
      expect(caching(await ask({ fields: [json] }))['cache-control']).toBe('public, max-age=60')
      expect(await cdnTime(json)).toBe('max-age=6000')
      expect(await cdnTime(type('font/woff2'))).toMatch(/^max-age=31536000,/)
      expect(await cdnTime(json, control('max-age=99'))).toBe('max-age=99')
      expect(await cdnTime(json, control('private'))).toBeUndefined()
      emergency.state = 'calm'
      expect(await cdnTime(json)).toBe('max-age=600')
    },
  )
})

describe('what Sidegate says itself', () => {
  it('is kept by nobody', async () => {
    const { proxy, ask } = await start(everywhere({ visibility: 'public', tags: ['a'] }))
    expect(caching(await ask({}, { path: '/__sidegate/nothing-here' }))).toEqual({ 'cache-control': 'no-store' })
    expect(caching(await ask({}, { method: 'OPTIONS', path: '*' }))).toEqual({ 'cache-control': 'no-store' })
    expect(caching(await ask({}, { path: '/__sidegate/health/ready' }))).toEqual({ 'cache-control': 'no-store' })
    expect(caching(await ask({}, { fields: ['Host: b.example'] }))).toEqual({ 'cache-control': 'no-store' })
    const client = await rawClient(proxy.port)
    client.send('nonsense\r\n\r\n')
    expect(caching(rawReplies(await client.closed())[0] as RawReply)).toEqual({ 'cache-control': 'no-store' })
    const fastly = await start({ cdn: { vendor: 'fastly' } })
    expect(caching(await fastly.ask({}, { path: '/__sidegate/nothing-here' }))).toEqual({
      'cache-control': 'private, no-store',
    })
  })
})
