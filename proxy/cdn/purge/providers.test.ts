import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { policySchema } from '../../state/policy/schema.ts'
import type { PurgeBatch } from './cdn-provider.ts'
import { providers } from './providers.ts'

const TOKEN = 'a-token-of-the-cdn'

interface Seen {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

interface Said {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A CDN that says what it is told to, and remembers what it was sent. */
const startCdn = async (said: Said = {}): Promise<{ url: string; seen: Seen[] }> => {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    seen.push({ method: request.method, path: request.url, headers: request.headers, body: await text(request) })
    response.writeHead(said.status ?? 200, said.headers ?? {}).end(said.body ?? '{"success": true, "status": "ok"}')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const settings = (provider: keyof typeof providers, url: string) =>
  policySchema.parse({ cdn: { purge: { provider, target: 'zone-1', url } } }).cdn.purge

const send = (provider: keyof typeof providers, url: string, batch: Omit<PurgeBatch, 'ids'>) =>
  providers[provider].send({ ids: ['id-1', 'id-2'], ...batch }, settings(provider, url), TOKEN)

describe('Cloudflare', () => {
  it.each([
    ['url', ['https://a.example/1?b=c'], { files: ['https://a.example/1?b=c'] }],
    ['tag', ['a', 'b'], { tags: ['a', 'b'] }],
    ['prefix', ['https://a.example/media/'], { prefixes: ['a.example/media/'] }],
    ['everything', [], { purge_everything: true }],
  ] as const)('is told of a purge by %s', async (kind, values, body) => {
    const { url, seen } = await startCdn()
    expect(await send('cloudflare', url, { kind, values, isSoft: true })).toEqual({ kind: 'done' })
    const [{ method, path, headers, body: sent } = expect.fail()] = seen
    expect({ method, path, sent: JSON.parse(sent) }).toEqual({
      method: 'POST',
      path: '/zones/zone-1/purge_cache',
      sent: body,
    })
    expect(headers).toMatchObject({ authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' })
  })

  it.each([['{"success": false, "errors": [{"code": 1007}]}'], ['<html>'], ['null']])(
    'that answers 200 with %s has not done it',
    async (body) => {
      const { url } = await startCdn({ body })
      expect(await send('cloudflare', url, { kind: 'tag', values: ['a'], isSoft: true })).toEqual({
        kind: 'refused',
        error: `200 ${body}`,
      })
    },
  )
})

describe('Fastly', () => {
  it('is told of many tags at once, soft or not', async () => {
    const { url, seen } = await startCdn()
    await send('fastly', url, { kind: 'tag', values: ['a', 'b'], isSoft: true })
    await send('fastly', url, { kind: 'tag', values: ['a'], isSoft: false })
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual(Array(2).fill('POST /service/zone-1/purge'))
    expect(
      seen.map(({ headers }) => [headers['fastly-key'], headers['surrogate-key'], headers['fastly-soft-purge']]),
    ).toEqual([
      [TOKEN, 'a b', '1'],
      [TOKEN, 'a', undefined],
    ])
  })

  it('is told of a URL, and of everything', async () => {
    const { url, seen } = await startCdn()
    await send('fastly', url, { kind: 'url', values: ['https://A.example/1?b=c'], isSoft: true })
    await send('fastly', url, { kind: 'everything', values: [], isSoft: false })
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /purge/a.example/1?b=c',
      'POST /service/zone-1/purge_all',
    ])
  })

  it('knows no prefixes, and takes one URL or 256 tags a call', () => {
    const { problemOf, valuesPerCall } = providers.fastly
    expect(problemOf('prefix', ['https://a.example/'])).toMatch(/^Fastly purges no prefixes: give the routes a tag/)
    const many = { ...settings('fastly', 'http://127.0.0.1'), valuesPerCall: 500 }
    expect([valuesPerCall('url', many), valuesPerCall('tag', many)]).toEqual([1, 256])
  })
})

it('no URL leads out of Fastly’s API for purges', async () => {
  const { url, seen } = await startCdn()
  for (const value of [
    ...[
      'https://a.example/../../service/other/purge_all',
      'https://../service/other/purge_all',
      'https://a.example/%2e%2E/x',
    ],
    ...[
      'https://a.example/a\\..\\..\\tokens',
      'https://a.example/./x',
      'https://user@a.example/',
      'https://a.example/x/..',
    ],
  ]) {
    expect(providers.fastly.problemOf('url', [value])).toBeDefined()
    expect(await send('fastly', url, { kind: 'url', values: [value], isSoft: true })).toMatchObject({ kind: 'refused' })
  }
  expect(providers.fastly.problemOf('tag', ['日本'])).toBeDefined()
  expect(await send('fastly', url, { kind: 'prefix', values: ['https://a.example/a/'], isSoft: true })).toMatchObject({
    kind: 'refused',
  })
  expect(seen).toEqual([])
  expect(await send('fastly', url, { kind: 'url', values: ['https://a.example/a..b/c?d=/../'], isSoft: true })).toEqual(
    { kind: 'done' },
  )
})

it('a webhook is told of all, signed', async () => {
  const { url, seen } = await startCdn({ status: 204 })
  expect(await send('webhook', `${url}/purge`, { kind: 'tag', values: ['a'], isSoft: false })).toEqual({ kind: 'done' })
  const [{ path, headers, body } = expect.fail()] = seen
  expect({ path, body: JSON.parse(body) }).toEqual({
    path: '/purge',
    body: { ids: ['id-1', 'id-2'], kind: 'tag', values: ['a'], soft: false },
  })
  const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['sidegate-signature'])) ?? []
  expect(signature).toBe(createHmac('sha256', TOKEN).update(`${seconds}.${body}`).digest('hex'))
})

describe('a CDN that does not take it', () => {
  it.each([
    [429, { 'Retry-After': '7' }, { kind: 'again', error: '429 no', afterMs: 7_000 }],
    [503, {}, { kind: 'again', error: '503 no', afterMs: undefined }],
    [401, {}, { kind: 'again', error: '401 no', afterMs: undefined }],
    [403, { 'Retry-After': 'soon' }, { kind: 'again', error: '403 no', afterMs: undefined }],
    [400, {}, { kind: 'refused', error: '400 no' }],
    [404, {}, { kind: 'refused', error: '404 no' }],
  ])('with %i and %j: %j', async (status, headers, result) => {
    const { url } = await startCdn({ status, headers: headers as Readonly<Record<string, string>>, body: ' no\n' })
    for (const provider of ['cloudflare', 'fastly', 'webhook'] as const) {
      expect(await send(provider, url, { kind: 'tag', values: ['a'], isSoft: true })).toEqual(result)
    }
  })

  it('as it is not there, or sends elsewhere, is asked again', async () => {
    expect(await send('webhook', 'http://127.0.0.1:1/', { kind: 'tag', values: ['a'], isSoft: true })).toMatchObject({
      kind: 'again',
      error: expect.stringMatching(/ECONNREFUSED|bad port/),
    })
    const { url } = await startCdn({ status: 302, headers: { Location: '/' } })
    expect(await send('webhook', url, { kind: 'tag', values: ['a'], isSoft: true })).toMatchObject({ kind: 'again' })
  })
})
