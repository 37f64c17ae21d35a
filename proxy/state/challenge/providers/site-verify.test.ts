import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, it, onTestFinished } from 'vitest'
import { freePort } from '../../../../deploy/local/ports.ts'
import { startUpstream } from '../../../testing/start-upstream.ts'
import { defaultPolicy } from '../../policy/read.ts'
import { soleKey } from '../keys.ts'
import type { Provider } from './provider.ts'
import { thirdParties } from './third-parties.ts'

const CLIENT = { key: '2001:db8::/64', address: '2001:db8::7', hostname: 'a.example' }
const policy = { ...defaultPolicy().challenge, siteKey: 'the-site-key' }
const keys = { current: soleKey('one', 's'.repeat(32)) }

interface Asked {
  readonly method: string | undefined
  readonly type: string | undefined
  readonly fields: Readonly<Record<string, string>>
}

type Reply = (response: ServerResponse, request: IncomingMessage) => void

/** Providers before a server that answers as a test says. */
const start = async (reply: Reply | object, timeoutMs = 3_000) => {
  const asked: Asked[] = []
  const server = await startUpstream(async (request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += String(piece)
    })
    await once(request, 'end')
    const fields = Object.fromEntries(new URLSearchParams(body))
    asked.push({ method: request.method, type: request.headers['content-type'], fields })
    if (typeof reply === 'function') reply(response, request)
    else response.end(JSON.stringify(reply))
  })
  onTestFinished(() => server.close())
  const urls = { turnstile: server.url, hcaptcha: server.url }
  const secrets = { turnstile: 'turnstile-secret', hcaptcha: 'hcaptcha-secret' }
  const { turnstile, hcaptcha } = thirdParties(secrets, keys, 'shop', urls, timeoutMs)
  return { asked, turnstile: turnstile as Provider, hcaptcha: hcaptcha as Provider }
}

const TOKEN = { token: 'the-token' }

it('asks each provider what its API wants to be asked', async () => {
  const { asked, turnstile, hcaptcha } = await start({ success: true })
  expect(await turnstile.verify(TOKEN, CLIENT, policy)).toEqual({ result: 'solved' })
  expect(await hcaptcha.verify(TOKEN, { ...CLIENT, address: 'unknown' }, policy)).toEqual({ result: 'solved' })
  const type = 'application/x-www-form-urlencoded;charset=UTF-8'
  expect(asked).toEqual([
    { method: 'POST', type, fields: { secret: 'turnstile-secret', response: 'the-token', remoteip: '2001:db8::7' } },
    { method: 'POST', type, fields: { secret: 'hcaptcha-secret', response: 'the-token', sitekey: 'the-site-key' } },
  ])
})

it('tells a client which site it is for, and Turnstile whom it is for', async () => {
  const { turnstile, hcaptcha } = await start({ success: true })
  expect(hcaptcha.puzzle(CLIENT, policy)).toEqual({ provider: 'hcaptcha', siteKey: 'the-site-key' })
  const puzzle = turnstile.puzzle(CLIENT, policy)
  expect(puzzle).toEqual({
    ...{ provider: 'turnstile', siteKey: 'the-site-key', action: 'sidegate' },
    cData: expect.stringMatching(/^[\w-]{22}$/),
  })
  expect(turnstile.puzzle({ ...CLIENT, key: '192.0.2.7' }, policy).cData).not.toBe(puzzle.cData)
})

it.each([
  [{ success: false, 'error-codes': ['timeout-or-duplicate'] }, 'rejected'],
  [{ success: false, 'error-codes': ['bad-request'] }, 'rejected'],
  [{ success: false }, 'rejected'],
  [{ success: true, hostname: 'evil.example' }, 'rejected'],
  [{ success: true, hostname: 'a.example', action: 'login' }, 'rejected'],
  [{ success: true, hostname: 'a.example', action: 'sidegate', cdata: 'of-another-client' }, 'other-address'],
  [{ success: true, hostname: 'a.example', action: 'sidegate', cdata: '' }, 'solved'],
])('takes %j for %s', async (reply, result) => {
  const { turnstile } = await start(reply)
  expect(await turnstile.verify(TOKEN, CLIENT, policy)).toMatchObject({ result })
})

it('takes back the mark that it gave to this client', async () => {
  const marked = { success: true, cdata: '' }
  const { turnstile } = await start(((response) => response.end(JSON.stringify(marked))) satisfies Reply)
  marked.cdata = String(turnstile.puzzle(CLIENT, policy).cData)
  expect(await turnstile.verify(TOKEN, CLIENT, policy)).toEqual({ result: 'solved' })
})

it('takes a token that the provider cannot even read for a wrong one, and not for a failure of the provider', async () => {
  for (const status of [400, 403, 413]) {
    const { hcaptcha } = await start((response: ServerResponse) => response.writeHead(status).end('<html>'))
    expect(await hcaptcha.verify(TOKEN, CLIENT, policy)).toEqual({ result: 'rejected', reason: `status ${status}` })
  }
})

it.each<[string, Reply | object]>([
  ['status 503 with a reply', (response) => response.writeHead(503).end('busy')],
  ['status 429 with a reply', (response) => response.writeHead(429).end('{}')],
  ['status 200 with a reply', (response) => response.end('[]')],
  ['fetch failed', (response) => response.destroy()],
  ['fetch failed', (response) => response.writeHead(302, { Location: 'http://127.0.0.1:9/' }).end()],
  ['aborted due to timeout', () => undefined],
  ['aborted due to timeout', (response) => response.writeHead(200).write('{')],
  ['invalid-input-secret', { success: false, 'error-codes': ['invalid-input-secret'] }],
])('does as the policy says where the provider fails: %s', async (reason, reply) => {
  const { turnstile } = await start(reply, 100)
  const admitted = await turnstile.verify(TOKEN, CLIENT, { ...policy, whenProviderFails: 'admit' })
  expect(admitted).toEqual({ result: 'unverified', reason: expect.stringContaining(reason) })
  const refused = await turnstile.verify(TOKEN, CLIENT, { ...policy, whenProviderFails: 'refuse' })
  expect(refused).toEqual({ result: 'unavailable', reason: expect.stringContaining(reason) })
})

it('says why it could not connect', async () => {
  const urls = { turnstile: `http://127.0.0.1:${await freePort()}`, hcaptcha: 'http://127.0.0.1:9' }
  const { turnstile } = thirdParties({ turnstile: 's', hcaptcha: undefined }, keys, 'shop', urls)
  const verified = await (turnstile as Provider).verify(TOKEN, CLIENT, policy)
  expect(verified).toEqual({ result: 'unverified', reason: expect.stringContaining('ECONNREFUSED') })
})

it('a flood of answers is refused, though the policy admits where the provider fails', async () => {
  const waiting: ServerResponse[] = []
  const { turnstile } = await start((response: ServerResponse) => waiting.push(response))
  const underWay = Array.from({ length: 64 }, () => turnstile.verify(TOKEN, CLIENT, policy))
  expect(await turnstile.verify(TOKEN, CLIENT, policy)).toMatchObject({ result: 'unavailable' })
  await expect.poll(() => waiting.length).toBe(64)
  for (const response of waiting) response.end('{"success":true}')
  expect(new Set((await Promise.all(underWay)).map(({ result }) => result))).toEqual(new Set(['solved']))
  const last = turnstile.verify(TOKEN, CLIENT, policy)
  await expect.poll(() => waiting.length).toBe(65)
  waiting.at(-1)?.end('{"success":true}')
  expect(await last).toEqual({ result: 'solved' })
})

it('names what is wrong with an answer', async () => {
  const { asked, hcaptcha } = await start({ success: true })
  for (const given of [{}, { token: '' }, { token: 'a b' }, { token: 'x'.repeat(8_193) }]) {
    expect(await hcaptcha.verify(given, CLIENT, policy)).toMatchObject({
      ...{ result: 'malformed', problems: [{ in: 'body', pointer: '/token' }] },
    })
  }
  expect(asked).toEqual([])
})
