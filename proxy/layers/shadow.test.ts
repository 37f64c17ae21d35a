import { afterEach, describe, expect, it } from 'vitest'
import { compilePolicy } from '../state/policy/compile.ts'
import type { Candidate } from '../state/policy/policy-shadow.ts'
import { readPolicy } from '../state/policy/read.ts'
import { ShadowReport } from '../state/policy/shadow-report.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource.close()
})

/** A clock that stands still, so that what is left of a limit is the same for both. */
const clock = { wallMs: () => 0, monotonicMs: () => 1_000_000 }

const start = async (document: unknown) => {
  const app = await startUpstream((request, response) => {
    response.setHeader('RateLimit', '"app";r=1')
    request.resume().on('end', () => response.end('ok'))
  })
  opened.push(app)
  const shadow: { current: Candidate | undefined } = { current: undefined }
  const proxy = await startProxy(app.url, {}, new TestPolicies(document), { clock, shadow })
  opened.push(proxy)
  const ask = async (times: number, path = '/') => {
    const statuses: number[] = []
    for (let time = 0; time < times; time++) {
      const reply = await fetch(`${proxy.origin}${path}`)
      await reply.text()
      statuses.push(reply.status)
    }
    return statuses
  }
  const begin = (candidate: unknown): ShadowReport => {
    const reading = readPolicy(candidate)
    if (reading.kind === 'bad') throw new Error(JSON.stringify(reading.problems))
    const report = new ShadowReport()
    shadow.current = { policy: compilePolicy(2, reading.policy), report }
    return report
  }
  const end = () => {
    shadow.current = undefined
  }
  return { ask, begin, end, lines: proxy.lines, shadow }
}

const withLimit = (requests: number, more: object = {}) => ({
  routes: { all: { match: { path: '/*' }, limits: ['l'] } },
  limits: { l: { requests, perSeconds: 3_600, ...more } },
})

/** The rows alone: the sums go with them, and are looked at once. */
const told = (report: ShadowReport) => {
  const { requests, wouldRefuse, wouldAdmit, wouldChange, rerouted } = report.told()
  return { requests, wouldRefuse, wouldAdmit, wouldChange, rerouted }
}

const nothing = { wouldRefuse: [], wouldAdmit: [], wouldChange: [], rerouted: [] }

describe('a candidate', () => {
  it('that would refuse more tells so, and is not felt', async () => {
    const { ask, begin } = await start(withLimit(10))
    const report = begin(withLimit(2))
    expect(await ask(5)).toEqual([200, 200, 200, 200, 200])
    expect(told(report)).toEqual({
      ...nothing,
      requests: 5,
      wouldRefuse: [{ route: 'all', refusal: 'rate-limited', count: 3 }],
      wouldChange: [
        { route: 'all', header: 'ratelimit', count: 2 },
        { route: 'all', header: 'ratelimit-policy', count: 2 },
      ],
    })
    expect(report.told().sums).toEqual({ wouldRefuse: 3, wouldAdmit: 0, wouldChange: 2, rerouted: 0, failed: 0 })
  })

  it('that would refuse less tells so, and is not felt', async () => {
    const { ask, begin } = await start(withLimit(2, { announce: false }))
    const report = begin(withLimit(4, { announce: false }))
    expect(await ask(6)).toEqual([200, 200, 429, 429, 429, 429])
    expect(told(report)).toEqual({
      ...nothing,
      requests: 6,
      wouldAdmit: [{ route: 'all', refusal: 'rate-limited', count: 2 }],
    })
  })

  it('that is the same as what is in force would do nothing otherwise, however much has been used', async () => {
    const { ask, begin } = await start(withLimit(4))
    await ask(3)
    const report = begin(withLimit(4))
    expect(await ask(3)).toEqual([200, 429, 429])
    expect(told(report)).toEqual({ ...nothing, requests: 3 })
  })

  it('that says nothing of a limit would leave the app’s own word', async () => {
    const { ask, begin } = await start(withLimit(4))
    const report = begin(withLimit(4, { announce: false }))
    await ask(1)
    expect(told(report)).toMatchObject({
      wouldChange: [
        { route: 'all', header: 'ratelimit', count: 1 },
        { route: 'all', header: 'ratelimit-policy', count: 1 },
      ],
    })
  })

  it('with other routes tells which requests would come under which', async () => {
    const { ask, begin } = await start({ routes: { all: { match: { path: '/*' } } } })
    const report = begin({ routes: { few: { match: { path: '/a' } }, all: { match: { path: '/b' } } } })
    await ask(2, '/a')
    await ask(1, '/b')
    await ask(3, '/c')
    expect(told(report)).toEqual({
      ...nothing,
      requests: 6,
      rerouted: [
        { from: 'all', to: null, count: 3 },
        { from: 'all', to: 'few', count: 2 },
      ],
    })
  })

  it('does not look at what is Sidegate’s own, or malformed', async () => {
    const { ask, begin } = await start(withLimit(4))
    const report = begin(withLimit(1))
    await ask(3, '/__sidegate/health/ready')
    expect(told(report)).toEqual({ ...nothing, requests: 0 })
  })

  it('begins anew when another takes its place, from what is used by then', async () => {
    const { ask, begin } = await start(withLimit(10, { announce: false }))
    const first = begin(withLimit(1, { announce: false }))
    await ask(2)
    const second = begin(withLimit(4, { announce: false }))
    await ask(4)
    expect([told(first).requests, told(first).wouldRefuse[0]?.count]).toEqual([2, 1])
    expect([told(second).requests, told(second).wouldRefuse[0]?.count]).toEqual([4, 1])
  })

  it('that has ended is told no more', async () => {
    const { ask, begin, end } = await start(withLimit(4))
    const report = begin(withLimit(4))
    await ask(1)
    end()
    await ask(2)
    expect(told(report).requests).toBe(1)
  })

  it('that fails is counted, and said once; the request goes on', async () => {
    const { ask, begin, shadow, lines } = await start(withLimit(4))
    const report = begin({})
    const broken = { find: () => JSON.parse('no route table') }
    shadow.current = { policy: { ...compilePolicyOf(shadow), routes: broken as never }, report }
    expect(await ask(3)).toEqual([200, 200, 200])
    expect(report.told().sums.failed).toBe(3)
    expect(lines.filter(({ msg }) => msg.includes('candidate in shadow has failed'))).toHaveLength(1)
  })
})

const compilePolicyOf = ({ current }: { current: Candidate | undefined }) => (current as Candidate).policy

it('a report stays small, whatever it is told', () => {
  const report = new ShadowReport()
  for (let route = 0; route < 5_000; route++) report.rerouted({ from: `r${route}`, to: null })
  expect(report.told().rerouted).toHaveLength(200)
  expect(report.told().sums.rerouted).toBe(5_000)
})

it('reports add up', () => {
  const reports = [1, 2].map((times) => {
    const report = new ShadowReport()
    for (let time = 0; time < times; time++) {
      report.request()
      report.wouldRefuse({ route: 'a', refusal: 'rate-limited' })
      report.wouldChange(null, ['x', 'y'])
    }
    return report
  })
  const sum = new ShadowReport()
  for (const report of reports) sum.add(JSON.parse(JSON.stringify(report.raw())))
  expect(sum.told()).toMatchObject({
    requests: 3,
    sums: { wouldRefuse: 3, wouldChange: 3 },
    wouldRefuse: [{ route: 'a', refusal: 'rate-limited', count: 3 }],
    wouldChange: [
      { route: null, header: 'x', count: 3 },
      { route: null, header: 'y', count: 3 },
    ],
  })
})
