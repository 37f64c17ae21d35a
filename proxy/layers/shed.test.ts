import { afterEach, describe, expect, it } from 'vitest'
import type { EmergencyState } from '../state/emergency/emergency-state.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

const PATHS = ['/login', '/search', '/report', '/without-a-route'] as const
const routes = {
  login: { match: { path: '/login' }, priority: 'high' },
  search: { match: { path: '/search' } },
  report: { match: { path: '/report' }, priority: 'low' },
}

const start = async (shed: string) => {
  const app = await startUpstream((_request, response) => response.end('ok'))
  opened.push(app)
  const emergency: { state: EmergencyState } = { state: 'calm' }
  const counted: (string | undefined)[] = []
  const emergencySignals = {
    count: ({ refusal }: { refusal: { kind: string } | undefined }) => counted.push(refusal?.kind),
  }
  const policies = new TestPolicies({ routes, emergency: { shed, challengeShare: 0 } })
  const proxy = await startProxy(app.url, {}, policies, { emergency, emergencySignals })
  opened.push(proxy)
  const statuses = async (state: EmergencyState) => {
    emergency.state = state
    const seen: number[] = []
    for (const path of PATHS) {
      const reply = await fetch(`${proxy.origin}${path}`)
      await reply.text()
      seen.push(reply.status)
    }
    return seen
  }
  return { proxy, emergency, counted, statuses }
}

describe('in an emergency', () => {
  it.each([
    ['nothing', [200, 200, 200, 200]],
    ['low', [200, 200, 503, 200]],
    ['low-and-normal', [200, 503, 503, 503]],
  ])('"%s" is shed, and only while it lasts', async (shed, expected) => {
    const { statuses } = await start(shed)
    expect(await statuses('calm')).toEqual([200, 200, 200, 200])
    expect(await statuses('emergency')).toEqual(expected)
    expect(await statuses('recovering')).toEqual([200, 200, 200, 200])
  })

  it('who is shed is told when to come again, and the log and the signals that it was no failure of the app', async () => {
    const { proxy, emergency, counted } = await start('low')
    emergency.state = 'emergency'
    const reply = await fetch(`${proxy.origin}/report`)
    expect([reply.status, reply.headers.get('retry-after'), reply.headers.get('cache-control')]).toEqual([
      ...[503, '30', 'no-store'],
    ])
    expect(await reply.json()).toMatchObject({ status: 503, correlationId: reply.headers.get('x-request-id') })
    expect(await proxy.line(({ refusal }) => refusal !== undefined)).toMatchObject({ level: 'info', refusal: 'shed' })
    expect(counted).toEqual(['shed'])
  })
})
