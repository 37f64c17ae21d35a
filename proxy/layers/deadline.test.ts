import { describe, expect, it } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { ask } from '../testing/challenge-client.ts'
import type { TestProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'
import { ended, NEVER_MS, silent, startTimed, type TestOperation } from '../testing/timed-proxy.ts'

describe('what the app is told of the time left', () => {
  const telling = () =>
    startUpstream((request, response) => {
      const told = request.rawHeaders.filter((_, at) =>
        /^x-request-deadline-ms$/i.test(request.rawHeaders[at - 1] ?? ''),
      )
      response.end(JSON.stringify(told))
    })
  const trusting = { trustedProxies: { ranges: ['127.0.0.0/8'] } }
  const told = async (proxy: TestProxy, said?: string | string[]): Promise<number[]> => {
    const { text } = await ask(proxy.origin, said === undefined ? {} : { headers: { 'X-Request-Deadline-Ms': said } })
    return (JSON.parse(text) as string[]).map(Number)
  }

  it('is the operation’s, less what has passed', async () => {
    const proxy = await startTimed(await telling(), { totalTimeoutMs: 60_000 })
    const [left] = (await told(proxy)) as [number]
    expect(left).toBeLessThanOrEqual(60_000)
    expect(left).toBeGreaterThan(0)
  })

  it('is nothing where nothing limits the whole', async () => {
    const proxy = await startTimed(await telling(), {}, { policy: trusting })
    expect(await told(proxy)).toEqual([])
  })

  it('is a trusted caller’s, where that is less, with or without one of the operation', async () => {
    for (const read of [{ totalTimeoutMs: 60_000 }, {}] as TestOperation[]) {
      const proxy = await startTimed(await telling(), read, { policy: trusting })
      const [left] = (await told(proxy, '30000')) as [number]
      expect(left).toBeLessThanOrEqual(30_000)
      expect(left).toBeGreaterThan(10_000)
    }
  })

  it('is not more than the operation’s, whatever a trusted caller says', async () => {
    const proxy = await startTimed(await telling(), { totalTimeoutMs: 60_000 }, { policy: trusting })
    const [left] = (await told(proxy, '999999999')) as [number]
    expect(left).toBeLessThanOrEqual(60_000)
  })

  it.each([[''], ['soon'], ['5s'], ['1.5'], ['1e3'], ['0x10'], ['9999999999999'], [['30000', '20000']]])(
    'is the operation’s where a trusted caller says %j, of which nothing goes on',
    async (said) => {
      const proxy = await startTimed(await telling(), { totalTimeoutMs: 60_000 }, { policy: trusting })
      const lefts = await told(proxy, said)
      expect(lefts).toHaveLength(1)
      expect(lefts[0]).toBeGreaterThan(30_000)
    },
  )

  it('is not changed by a peer that is not trusted', async () => {
    const others = { trustedProxies: { ranges: ['10.0.0.0/8'] } }
    for (const policy of [{}, others]) {
      expect(await told(await startTimed(await telling(), {}, { policy }), '5')).toEqual([])
      const [left] = (await told(await startTimed(await telling(), { totalTimeoutMs: 60_000 }, { policy }), '0')) as [
        number,
      ]
      expect(left).toBeGreaterThan(30_000)
    }
  })

  it.each(['0', '-1', '-5000'])(
    'a trusted caller that has %s left gets 504, and the app is not asked',
    async (said) => {
      const upstream = await telling()
      const proxy = await startTimed(upstream, {}, { policy: trusting })
      const reply = await ask(proxy.origin, { headers: { 'X-Request-Deadline-Ms': said } })
      expect(reply.status).toBe(504)
      expect(await ended(proxy)).toMatchObject({ refusal: 'callers-deadline', level: 'info' })
      expect(upstream.connections()).toBe(0)
    },
  )

  it('a trusted caller’s deadline ends the exchange', async () => {
    const upstream = await silent()
    const proxy = await startTimed(upstream, { totalTimeoutMs: NEVER_MS }, { policy: trusting })
    const reply = await ask(proxy.origin, { headers: { 'X-Request-Deadline-Ms': '120' } })
    expect(reply.status).toBe(504)
    expect(await ended(proxy)).toMatchObject({ refusal: 'callers-deadline' })
    await eventually('the app’s connection is gone', () => upstream.sockets.size === 0)
  })
})
