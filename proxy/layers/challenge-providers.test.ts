import { expect, it, onTestFinished } from 'vitest'
import { ownSecrets } from '../state/challenge/open.ts'
import { thirdParties } from '../state/challenge/providers/third-parties.ts'
import { answer, ask } from '../testing/challenge-client.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const BROWSER = { Accept: 'text/html', 'Sec-Fetch-Mode': 'navigate' }

const start = async (provider: 'turnstile' | 'hcaptcha', secret: string | undefined, more: object = {}) => {
  const server = await startUpstream((_, response) => response.writeHead(503).end())
  onTestFinished(() => server.close())
  const policies = new TestPolicies({
    routes: { all: { match: { path: '/*' }, challenge: 'always' } },
    challenge: { provider, siteKey: '"><b>', ...more },
  })
  const urls = { turnstile: server.url, hcaptcha: server.url }
  const own = ownSecrets()
  const theirs = { turnstile: undefined, hcaptcha: undefined, [provider]: secret }
  const challengeSecrets = { ...own, thirdParties: thirdParties(theirs, own.keys, 'default', urls) }
  const proxy = await startProxy(server.url, {}, policies, { challengeSecrets })
  onTestFinished(() => proxy.close())
  return proxy
}

it('a third party’s page may load what is theirs, and nothing else', async () => {
  const { origin } = await start('hcaptcha', 'secret')
  const { headers, text } = await ask(origin, { headers: BROWSER })
  const policy = String(headers['content-security-policy']).replace(/nonce-[^']+/g, 'nonce')
  expect(policy.split('; ')).toEqual([
    "default-src 'none'",
    "script-src 'nonce' https://hcaptcha.com https://*.hcaptcha.com",
    "style-src 'nonce' https://hcaptcha.com https://*.hcaptcha.com",
    "connect-src 'self' https://hcaptcha.com https://*.hcaptcha.com",
    'frame-src https://hcaptcha.com https://*.hcaptcha.com',
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ])
  expect(text).toContain('class="h-captcha" data-sitekey="&quot;&gt;&lt;b&gt;" data-callback')
  expect(text).not.toContain('"><b>')
})

it('where the provider fails, a client is let in for a while or told to come again, as the policy says', async () => {
  const admitting = await start('turnstile', 'secret')
  const admitted = await answer(admitting.origin, { token: 'x' })
  expect(admitted.headers['set-cookie']?.[0]).toContain('; Max-Age=300;')
  await answer(admitting.origin, { token: 'y' })
  expect(admitting.challenges.counts.entries()).toContainEqual(['unverified', 2])
  const said = admitting.lines.filter(({ msg }) => msg.includes('let in unverified'))
  expect(said).toMatchObject([{ level: 'warn', reason: expect.stringContaining('status 503') }])
  const refusing = await start('turnstile', 'secret', { whenProviderFails: 'refuse' })
  const { status, headers } = await answer(refusing.origin, { token: 'x' })
  expect([status, headers['retry-after']]).toEqual([503, '5'])
  expect(await refusing.line(({ refusal }) => refusal === 'answer-unchecked')).toMatchObject({
    reason: expect.stringContaining('turnstile could not be asked: status 503'),
  })
})

it('without its secret, ALTCHA takes a provider’s place, and the log says so once for each policy', async () => {
  const { origin, lines } = await start('turnstile', undefined)
  for (let time = 0; time < 3; time++) {
    expect((await ask(origin)).body.challenge).toMatchObject({ provider: 'altcha' })
  }
  expect(lines.filter(({ msg }) => msg.includes('TURNSTILE_SECRET is not set'))).toHaveLength(1)
})
