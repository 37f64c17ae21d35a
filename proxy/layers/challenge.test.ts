import { hash } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { SharedState } from '../build.ts'
import type { Facts } from '../layer.ts'
import { readMachineTokens } from '../state/challenge/machine-keyset.ts'
import { ownSecrets } from '../state/challenge/open.ts'
import type { EmergencyState } from '../state/emergency/emergency-state.ts'
import { compilePolicy } from '../state/policy/compile.ts'
import { readPolicy } from '../state/policy/read.ts'
import { answer, ask, clearance, puzzleIn, solve } from '../testing/challenge-client.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy, type TestProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

/** From a trusted peer, so that a test can be any client. */
const TRUSTED = { trustedProxies: { ranges: ['127.0.0.1'] } }
const from = (address: string) => ({ 'X-Forwarded-For': address })
const ALWAYS = { routes: { all: { match: { path: '/*' }, challenge: 'always' } }, challenge: { difficulty: 1_000 } }
const BROWSER = { Accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8', 'Sec-Fetch-Mode': 'navigate' }

interface SeenByApp {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, unknown>>
}

const start = async (
  document: object,
  outside: Partial<SharedState> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<{ proxy: TestProxy; origin: string; seen: SeenByApp[]; policies: TestPolicies }> => {
  const seen: SeenByApp[] = []
  const app = await startUpstream(({ method = '', url = '', headers }, response) => {
    seen.push({ method, url, headers })
    response.end('the app')
  })
  onTestFinished(() => app.close())
  const policies = new TestPolicies({ ...TRUSTED, ...document })
  const proxy = await startProxy(app.url, environment, policies, outside)
  onTestFinished(() => proxy.close())
  return { proxy, origin: proxy.origin, seen, policies }
}

const clients = Array.from({ length: 200 }, (_, index) => `198.51.${index >> 6}.${index & 63}`)

/** Who of two hundred clients is asked. */
const asked = async (origin: string): Promise<string[]> => {
  const found: string[] = []
  for (const address of clients) {
    const { status } = await ask(origin, { headers: from(address) })
    expect([200, 429]).toContain(status)
    if (status === 429) found.push(address)
  }
  return found
}

describe('who is asked', () => {
  it('is nobody in calm times, but on a route that always asks', async () => {
    const { origin, policies } = await start({})
    expect((await ask(origin)).status).toBe(200)
    policies.change({ ...TRUSTED, ...ALWAYS })
    expect((await ask(origin)).status).toBe(429)
  })

  it.each<EmergencyState>(['emergency', 'recovering'])(
    'is everybody while it is %s, on routes and off them',
    async (state) => {
      const routes = {
        hook: { match: { path: '/hook' }, challenge: 'never' },
        other: { match: { path: '/other' } },
      }
      const { origin } = await start({ routes }, { emergency: { state } })
      expect((await ask(`${origin}/other`)).status).toBe(429)
      expect((await ask(`${origin}/anything`)).status).toBe(429)
      expect((await ask(`${origin}/hook`)).status).toBe(200)
    },
  )

  it('is the share of clients that the policy names, and the same ones at every instance that has the key', async () => {
    const challengeSecrets = ownSecrets()
    const policy = { challenge: { share: 0.3 }, emergency: { challengeShare: 0.6 } }
    const calm = await start(policy, { challengeSecrets })
    const first = await asked(calm.origin)
    expect(first.length).toBeGreaterThan(30)
    expect(first.length).toBeLessThan(90)
    expect(await asked((await start(policy, { challengeSecrets })).origin)).toEqual(first)
    const more = await asked((await start(policy, { challengeSecrets, emergency: { state: 'emergency' } })).origin)
    expect(more).toEqual(expect.arrayContaining(first))
    expect(more.length).toBeGreaterThan(first.length)
    expect(await asked((await start(policy)).origin), 'another key').not.toEqual(first)
  })

  it('is not another of the same /64, and who is suspicious is asked in calm times', async () => {
    const violations = {
      isSuspicious: ({ clientAddress }: Facts) => clientAddress.startsWith('2001:db8:0:1:'),
      record: () => undefined,
    }
    const { origin } = await start({}, { violations })
    expect((await ask(origin, { headers: from('2001:db8:0:1::7') })).status).toBe(429)
    expect((await ask(origin, { headers: from('2001:db8:0:1:ffff::9') })).status).toBe(429)
    expect((await ask(origin, { headers: from('2001:db8:0:2::7') })).status).toBe(200)
  })

  it('is no preflight, and no machine whose token is known', async () => {
    const token = 'a-machine-token-of-some-length'
    const reading = readMachineTokens({ export: { sha256: hash('sha256', token) } })
    if (reading.kind === 'bad') throw new Error('the test is wrong')
    const challengeSecrets = { ...ownSecrets(), machines: { current: reading.keys } }
    const { origin, seen } = await start(ALWAYS, { challengeSecrets })
    expect((await ask(origin, { method: 'OPTIONS' })).status).toBe(200)
    const machine = (sent: string) => ask(origin, { headers: { 'X-Sidegate-Machine-Token': sent } })
    expect((await machine(`${token}x`)).status).toBe(429)
    expect((await machine(token)).status).toBe(200)
    expect(seen.map(({ headers }) => headers['x-sidegate-machine-token'])).toEqual([undefined, undefined])
  })
})

describe('the refusal', () => {
  it('is a problem document with a puzzle for clients of APIs, and is logged as what the policy forbids', async () => {
    const { origin, proxy } = await start(ALWAYS)
    const reply = await ask(origin, { headers: { Accept: 'application/json', 'X-Request-ID': 'the-id' } })
    expect(reply.status).toBe(429)
    expect(reply.headers).toMatchObject({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
    expect(reply.headers['retry-after']).toBeUndefined()
    expect(reply.body).toMatchObject({
      title: 'Too Many Requests',
      status: 429,
      correlationId: 'the-id',
      challenge: { provider: 'altcha', algorithm: 'SHA-256', maxnumber: 1_000, answerTo: '/__sidegate/challenge' },
    })
    expect(await proxy.line(({ status }) => status === 429)).toMatchObject({
      ...{ level: 'info', outcome: 'refused', refusal: 'challenged', reason: 'no clearance' },
    })
    expect(proxy.challenges.counts.entries()).toContainEqual(['asked', 1])
  })

  it('is a page for browsers that go somewhere, and for nothing else of theirs', async () => {
    const { origin, proxy } = await start(ALWAYS)
    const page = await ask(`${origin}/a?b=c`, { headers: { ...BROWSER, 'X-Request-ID': 'the-id' } })
    expect(page.status).toBe(403)
    expect(page.headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    expect(page.text).toContain('<code>the-id</code>')
    expect(Buffer.byteLength(page.text)).toBeLessThan(30_000)
    const [, nonce] = /script-src 'nonce-([^']+)'/.exec(String(page.headers['content-security-policy'])) ?? []
    expect(page.text.match(/<(script|style)(?! type="application\/json")[^>]*>/g)).toEqual([
      `<style nonce="${nonce}">`,
      `<script nonce="${nonce}">`,
    ])
    expect(await proxy.line(({ status }) => status === 403)).toMatchObject({
      refusal: 'challenged',
      outcome: 'refused',
    })
    const again = await ask(origin, { headers: BROWSER })
    expect(again.text).not.toContain(nonce)

    const status = async (headers: Record<string, string>, method = 'GET') =>
      (await ask(origin, { method, headers })).status
    expect(await status({ Accept: BROWSER.Accept })).toBe(403)
    expect(await status(BROWSER, 'HEAD')).toBe(403)
    expect(await status(BROWSER, 'PUT')).toBe(429)
    expect(await status({ ...BROWSER, 'Sec-Fetch-Mode': 'cors' })).toBe(429)
    expect(await status({ ...BROWSER, Accept: '*/*' })).toBe(429)
  })

  it('is what a candidate in shadow would give, who asks nobody and counts nothing', async () => {
    const shadowed: string[] = []
    const reading = readPolicy({ ...TRUSTED, ...ALWAYS })
    if (reading.kind === 'bad') throw new Error('the test is wrong')
    const report = {
      ...{ request: () => undefined, rerouted: () => undefined, wouldAdmit: () => undefined, failed: () => true },
      wouldChange: () => undefined,
      wouldRefuse: ({ refusal }: { refusal: string }) => shadowed.push(refusal),
    }
    const candidate = { policy: compilePolicy(2, reading.policy), report }
    const { origin, proxy } = await start({}, { shadow: { current: candidate as never } })
    expect((await ask(origin, { headers: BROWSER })).status).toBe(200)
    const form = { ...BROWSER, 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
    expect((await ask(origin, { method: 'POST', headers: form, body: 'a=b' })).status).toBe(200)
    expect(shadowed).toEqual(['challenged', 'challenged'])
    expect(proxy.challenges.counts.entries()).toContainEqual(['asked', 0])
  })
})

describe('a clearance', () => {
  it('opens every route, as a cookie among others or as a header, and the app sees neither', async () => {
    const { origin, seen } = await start(ALWAYS)
    const token = await clearance(origin)
    const get = async (headers: Record<string, string | string[]>) => (await ask(`${origin}/x`, { headers })).status
    expect(await get({ 'X-Sidegate-Clearance': token })).toBe(200)
    expect(await get({ Cookie: `a=1; sidegate-clearance=${token}; b=2` })).toBe(200)
    expect(await get({ Cookie: `sidegate-clearance=${token}` })).toBe(200)
    expect(await get({ Cookie: `sidegate-clearance=planted-by-a-sibling; sidegate-clearance=${token}` })).toBe(200)
    expect(await get({ Cookie: `other-sidegate-clearance=${token}` })).toBe(429)
    expect(seen.map(({ headers }) => [headers.cookie, headers['x-sidegate-clearance']])).toEqual([
      [undefined, undefined],
      ['a=1; b=2', undefined],
      [undefined, undefined],
      [undefined, undefined],
    ])
  })

  it('holds for its client, its time, its service and its key, and for what was signed alone', async () => {
    const clock = { nowMs: Date.now(), wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs }
    const challengeSecrets = ownSecrets()
    const { origin, proxy } = await start(ALWAYS, { challengeSecrets, clock })
    const token = await clearance(origin, from('203.0.113.7'))
    const get = async (sent: string, address = '203.0.113.7', at = origin) =>
      (await ask(at, { headers: { ...from(address), 'X-Sidegate-Clearance': sent } })).status
    expect(await get(token)).toBe(200)
    expect(await get(token), 'remembered as verified').toBe(200)
    expect(await get(token, '203.0.113.8')).toBe(429)
    const reason = (text: string) => proxy.line((line) => line.reason === text)
    await reason('a clearance of another client, or none of ours')

    const [version, id, expires = '', mac = ''] = token.split('.')
    const later = (Number.parseInt(expires, 36) + 1_000).toString(36)
    expect(await get([version, id, later, mac].join('.'))).toBe(429)
    expect(await get([version, 'other', expires, mac].join('.'))).toBe(429)
    expect(await get([version, id, expires, `${mac.startsWith('A') ? 'B' : 'A'}${mac.slice(1)}`].join('.'))).toBe(429)
    expect(await get('')).toBe(429)

    const twin = await start(ALWAYS, { challengeSecrets, clock })
    expect(await get(token, '203.0.113.7', twin.origin), 'another instance').toBe(200)
    const other = await start(ALWAYS, { challengeSecrets, clock }, { SIDEGATE_SERVICE: 'other' })
    expect(await get(token, '203.0.113.7', other.origin), 'another service').toBe(429)
    const stranger = await start(ALWAYS, { clock })
    expect(await get(token, '203.0.113.7', stranger.origin), 'another key').toBe(429)

    const newcomer = await start(ALWAYS, { challengeSecrets, clock })
    clock.nowMs += 3_599_000
    expect(await get(token)).toBe(200)
    clock.nowMs += 2_000
    expect(await get(token)).toBe(429)
    expect(await get(token, '203.0.113.7', twin.origin)).toBe(429)
    expect(await get(token, '203.0.113.7', newcomer.origin), 'where it was never seen').toBe(429)
    await reason('a clearance that has expired')
  })
})

describe('forms that a page of this origin has sent', () => {
  const FORM = { ...BROWSER, 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const post = (origin: string, body: string, headers: Record<string, string> = FORM) =>
    ask(`${origin}/save`, { method: 'POST', headers, body })

  it('are kept in the page, whatever is in them, and run nothing', async () => {
    const { origin, seen } = await start(ALWAYS)
    const evil = '"><script>alert(1)</script>&\''
    const body = new URLSearchParams([
      ['a', '1'],
      [evil, evil],
      ['a', '2'],
    ]).toString()
    const { status, text } = await post(origin, body)
    expect(status).toBe(403)
    const shown = '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;'
    expect(text).toContain(
      `<form id="form" method="post" accept-charset="utf-8" hidden><input type="hidden" name="a" value="1"><input type="hidden" name="${shown}" value="${shown}"><input type="hidden" name="a" value="2"></form>`,
    )
    expect(seen).toEqual([])
  })

  it('are not kept where another site has sent them, or nobody says who: it would be forged with our own hand', async () => {
    const { origin } = await start(ALWAYS)
    const { 'Sec-Fetch-Site': _, ...unsaid } = FORM
    const isKept = async (headers: Record<string, string>) => /<form/.test((await post(origin, 'a=b', headers)).text)
    const host = new URL(origin).host
    expect(await isKept(FORM)).toBe(true)
    expect(await isKept({ ...unsaid, Origin: origin, Host: host })).toBe(true)
    expect(await isKept(unsaid)).toBe(false)
    expect(await isKept({ ...unsaid, Origin: 'https://evil.example' })).toBe(false)
    expect(await isKept({ ...unsaid, Origin: 'null' })).toBe(false)
    for (const site of ['cross-site', 'same-site', 'none']) {
      expect(await isKept({ ...FORM, 'Sec-Fetch-Site': site })).toBe(false)
      expect((await post(origin, 'a=b', { ...FORM, 'Sec-Fetch-Site': site })).text).toContain(
        'has not reached the site',
      )
    }
  })

  it('that are too large, of another kind, or not to be sent again as they are, are explained', async () => {
    const { origin } = await start(ALWAYS)
    const isLost = async (body: string, headers = FORM) => {
      const { status, text } = await post(origin, body, headers)
      expect(status).toBe(403)
      return !text.includes('<form') && text.includes('has not reached the site')
    }
    expect(await isLost(`a=${'x'.repeat(65_534)}`)).toBe(false)
    expect(await isLost(`a=${'x'.repeat(65_535)}`)).toBe(true)
    expect(await isLost(`a=${'x'.repeat(65_535)}`, { ...FORM, 'Transfer-Encoding': 'chunked' } as typeof FORM)).toBe(
      true,
    )
    expect(await isLost('a=%00')).toBe(true)
    expect(await isLost('{"a":1}', { ...FORM, 'Content-Type': 'application/json' })).toBe(true)
    expect(await isLost('', FORM)).toBe(false)
  })
})

describe('an answer', () => {
  it('gives a clearance in JSON and as a cookie, which is secure where the client speaks https', async () => {
    const { origin } = await start(ALWAYS)
    const refused = await ask(origin)
    const reply = await answer(origin, solve(puzzleIn(refused)))
    expect(reply.status).toBe(200)
    expect(reply.headers['cache-control']).toBe('no-store')
    const { clearance: token, header } = reply.body
    expect(header).toBe('X-Sidegate-Clearance')
    expect(reply.headers['set-cookie']).toEqual([
      `sidegate-clearance=${token}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax`,
    ])
    const fresh = puzzleIn(await ask(`${origin}/__sidegate/challenge`))
    const secure = await answer(origin, solve(fresh), { 'X-Forwarded-Proto': 'https' })
    expect(secure.headers['set-cookie']?.[0]).toMatch(/; Secure$/)
  })

  it('is refused when it is replayed, late, wrong, changed, or another client’s, and says what to do', async () => {
    const clock = { nowMs: Date.now(), wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs }
    const failed: unknown[] = []
    const violations = {
      isSuspicious: () => false,
      record: ({ clientAddress }: Facts, _kind: string, result: string) => failed.push([clientAddress, result]),
    }
    const { origin, proxy } = await start(ALWAYS, { clock, violations })
    const me = from('203.0.113.7')
    const puzzle = async () => puzzleIn(await ask(`${origin}/__sidegate/challenge`, { headers: me }))
    const refused = async (given: unknown, headers = me) => {
      const { status, body } = await answer(origin, given, headers)
      expect(status).toBe(403)
      expect(body.detail).toMatch(/get a new one with GET \/__sidegate\/challenge/)
      return body.result
    }
    const once = solve(await puzzle())
    expect((await answer(origin, once, me)).status).toBe(200)
    expect(await refused(once)).toBe('replayed')

    const twice = solve(await puzzle())
    const both = await Promise.all([answer(origin, twice, me), answer(origin, twice, me)])
    expect(both.map(({ status }) => status).sort()).toEqual([200, 403])

    const good = solve(await puzzle())
    const { salt, number, signature } = good as { salt: string; number: number; signature: string }
    expect(await refused({ ...good, number: number + 1 })).toBe('wrong')
    expect(await refused({ ...good, salt: salt.replace(/expires=\d+/, 'expires=9999999999') })).toBe('wrong')
    expect(await refused({ ...good, salt: salt.replace(/kid=\w+/, 'kid=other') })).toBe('forged')
    expect(await refused({ ...good, signature: signature.replace(/^./, signature.startsWith('0') ? '1' : '0') })).toBe(
      'forged',
    )
    expect(await refused(good, from('203.0.113.8'))).toBe('other-address')
    clock.nowMs += 301_000
    expect(await refused(good)).toBe('expired')
    expect(failed).toEqual([
      ...['replayed', 'replayed', 'wrong', 'wrong', 'forged', 'forged'].map((result) => ['203.0.113.7', result]),
      ['203.0.113.8', 'other-address'],
    ])
    expect(Object.fromEntries(proxy.challenges.counts.entries())).toMatchObject({
      ...{ solved: 2, replayed: 2, wrong: 2, forged: 2, expired: 1, 'other-address': 1 },
    })
    expect(await proxy.line(({ reason }) => reason === 'replayed')).toMatchObject({
      refusal: 'answer-refused',
      status: 403,
    })
  })

  it('that is none is told which field is wrong, and is held against nobody', async () => {
    const failed: string[] = []
    const violations = {
      isSuspicious: () => false,
      record: (_facts: Facts, _kind: string, result: string) => failed.push(result),
    }
    const { origin } = await start(ALWAYS, { violations })
    const url = `${origin}/__sidegate/challenge`
    const post = (body: string, type = 'application/json') =>
      ask(url, { method: 'POST', headers: { 'Content-Type': type }, body })
    expect(await post('{}', 'text/plain')).toMatchObject({
      status: 415,
      body: { errors: [{ pointer: 'Content-Type' }] },
    })
    expect(await post('{')).toMatchObject({ status: 400, body: { errors: [{ in: 'body', pointer: '' }] } })
    expect(await post('"no object"')).toMatchObject({ status: 400 })
    const { status, body } = await post('{"challenge": "abc", "number": 1.5, "salt": 3}')
    expect(status).toBe(400)
    expect((body.errors as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual([
      '/challenge',
      '/number',
      '/salt',
      '/signature',
    ])
    expect(await post(JSON.stringify({ a: 'x'.repeat(16_384) }))).toMatchObject({ status: 413 })
    expect(await ask(url, { method: 'PUT' })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' } })
    expect((await ask(`${url}/x`)).status).toBe(404)
    expect(failed).toEqual([])
  })

  it('of a page of another origin is not looked at, nor counted', async () => {
    const { origin } = await start(ALWAYS)
    const good = solve(puzzleIn(await ask(origin)))
    for (const headers of [{ 'Sec-Fetch-Site': 'cross-site' }, { Origin: 'https://evil.example' }]) {
      for (let time = 0; time < 70; time++) {
        const reply = await answer(origin, good, headers as Record<string, string>)
        expect([reply.status, reply.body.detail]).toEqual([403, expect.stringMatching(/^A page of another origin/)])
        expect(reply.headers['access-control-allow-origin']).toBeUndefined()
      }
    }
    expect((await answer(origin, good, { Origin: origin, Host: new URL(origin).host })).status).toBe(200)
  })

  it('may be tried so often by one client, and not by others on its account', async () => {
    const clock = { nowMs: Date.now(), wallMs: () => clock.nowMs, monotonicMs: () => clock.nowMs }
    const { origin } = await start(ALWAYS, { clock })
    const tries = async (address: string) => ask(`${origin}/__sidegate/challenge`, { headers: from(address) })
    for (let time = 0; time < 60; time++) expect((await tries('203.0.113.7')).status).toBe(200)
    expect(await tries('203.0.113.7')).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
    expect((await tries('203.0.113.8')).status).toBe(200)
    clock.nowMs += 1_000
    expect((await tries('203.0.113.7')).status).toBe(200)
  })

  it('comes in pieces as it likes', async () => {
    const { origin } = await start(ALWAYS)
    const good = solve(puzzleIn(await ask(origin)))
    const reply = await answer(origin, good, { 'Transfer-Encoding': 'chunked' })
    expect(reply.status).toBe(200)
  })
})
