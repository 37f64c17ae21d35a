import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setImmediate as others } from 'node:timers/promises'
import Fastify from 'fastify'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressText } from '../facts/ip-address.ts'
import { BlockStore } from '../state/blocks/block-store.ts'
import { ADMIN_TOKEN, askAdmin } from '../testing/ask-admin.ts'
import { operatedProxy } from '../testing/operated-proxy.ts'
import { TestPolicies } from '../testing/policies.ts'
import { type ProxyProcess, startProxyProcess } from '../testing/proxy-process.ts'
import { blockLinesRoutes } from './block-lines-routes.ts'
import { validateByZod } from './request-validation.ts'

/** Nothing here comes near the app. */
const APP = 'http://127.0.0.1:1'
const headers = { 'Content-Type': 'text/plain' }

/** Of what is refused, and so changes nothing. */
let unchanged: ProxyProcess
beforeAll(async () => {
  unchanged = await startProxyProcess(APP, { ADMIN_TOKEN })
})
afterAll(async () => {
  expect(await exported(unchanged)).toEqual([])
  unchanged.child.process.kill('SIGKILL')
  await unchanged.child.exited()
})

const send = ({ admin }: ProxyProcess, lines: string, query = '') =>
  askAdmin(admin, 'POST', `/api/blocks/lines${query}`, { body: lines, headers })

const exported = async ({ admin }: ProxyProcess, query = ''): Promise<string[]> => {
  const { body } = await askAdmin(admin, 'GET', `/api/blocks/lines${query}`)
  return body
    .split('\n')
    .filter((line: string) => line !== '')
    .toSorted((one: string, other: string) => (one < other ? -1 : 1))
}

describe('a list of blocks', () => {
  it('tells how many of them the policy never blocks', async () => {
    const proxy = await operatedProxy(APP)
    const lines = ['127.0.0.9', '127.0.0.0/24', '::1', '126.0.0.0/7', '192.0.2.7', '127.0.0.10 2020-01-01T00:00:00Z']
    expect(await send(proxy, lines.join('\n'), '?seconds=60&confirm=126.0.0.0/7')).toMatchObject({
      status: 200,
      body: { blocked: 5, passed: 1, withoutEffect: 3 },
    })
  })

  it('is taken whole, with one line in the audit log, and comes out as it can be taken again', async () => {
    const proxy = await operatedProxy(APP)
    const lines = [
      ...['# of the fair', '', '192.0.2.7', '198.51.100.0/24 permanent scrapes', '192.0.2.7 its own reason'],
      ...['2001:db8::/48 2126-12-01T00:00:00Z', '203.0.113.7 2020-01-01T00:00:00Z long ago'],
    ].join('\r\n')
    expect(await send(proxy, lines, '?seconds=600&reason=a%20fair')).toMatchObject({
      status: 200,
      body: { blocked: 4, passed: 1, isFleetTold: true },
    })
    const found = await exported(proxy)
    expect(found).toEqual([
      expect.stringMatching(/^192\.0\.2\.7 \d.*Z its own reason$/),
      '198.51.100.0/24 permanent scrapes',
      '2001:db8::/48 2126-12-01T00:00:00.000Z a fair',
    ])
    expect(await exported(proxy, '?source=auto')).toEqual([])
    expect(proxy.child.lines.filter(({ audit }) => audit !== undefined)).toMatchObject([
      { audit: 'blocks imported', author: 'ADMIN_TOKEN', blocked: 4, passed: 1, reason: 'a fair' },
    ])
    const other = await operatedProxy(APP)
    expect(await send(other, `${found.join('\n')}\n`)).toMatchObject({ status: 200, body: { blocked: 3, passed: 0 } })
    expect(await exported(other)).toEqual(found)
  })

  it('is not taken at all where any of it has a problem: all are told by line', async () => {
    const proxy = await operatedProxy(APP)
    const bad = await send(proxy, '192.0.2.7\nexample.com\n\n0.0.0.0/0\n192.0.2.8 2026-02-30T00:00:00Z', '?permanent')
    expect(bad).toMatchObject({
      status: 422,
      body: {
        detail: 'The list has problems; nothing of it is taken.',
        problems: [
          { path: 'line 2', message: expect.stringContaining('"example.com" is no address') },
          { path: 'line 4', message: expect.stringContaining('confirm=0.0.0.0/0') },
          { path: 'line 5', message: expect.stringContaining('is a time that there is not') },
        ],
      },
    })
    expect((await send(proxy, '192.0.2.7')).body.problems).toMatchObject([
      { path: 'line 1', message: expect.stringMatching(/^does not say when it ends/) },
    ])
    expect((await send(proxy, 'x\n'.repeat(200), '?permanent')).body.problems).toHaveLength(100)
    const many = Array.from({ length: 100_001 }, (_, index) => addressText(index)).join('\n')
    expect((await send(proxy, many, '?permanent')).body.problems).toEqual([
      { path: 'line 100001', message: 'there are more than 100000 lines: split them' },
    ])
    expect(await exported(proxy)).toEqual([])
    expect(await send(proxy, '0.0.0.0/4\n2000::/3', '?permanent=true&confirm=0.0.0.0/4,2000::/3')).toMatchObject({
      status: 200,
      body: { blocked: 2 },
    })
    expect(await exported(proxy)).toEqual(['0.0.0.0/4 permanent', '2000::/3 permanent'])
  })

  it.each([
    ['?seconds=0', /^seconds: expected a whole number of seconds from 1/],
    ['?seconds=1h', /^seconds: expected a whole number/],
    ['?seconds=999999999', /^seconds: expected .*; for more, say permanent$/],
    ['?permanent=yes', /^permanent: expected permanent=true$/],
    ['?seconds=1&permanent', /^give seconds or permanent, not both$/],
    ['?seconds=1&reason=%1b[2J', /^reason: the reason has control or invisible characters/],
    ['?seconds=1&confirm=all', /^confirm\.0: expected an address or a range/],
    ['?second=1', /^second: is not part of this query/],
  ])('is not taken with %s', async (query, detail) => {
    expect(await send(unchanged, '192.0.2.7', query)).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(detail) },
    })
  })

  it('is text, and no more than 8 MiB of it', async () => {
    const proxy = await operatedProxy(APP)
    const json = await askAdmin(proxy.admin, 'POST', '/api/blocks/lines?permanent', { body: ['192.0.2.7'] })
    expect(json.status).toBe(415)
    const comment = `${'#'.repeat(1_023)}\n`
    expect(await send(proxy, comment.repeat(8 * 1_024), '?permanent')).toMatchObject({
      status: 200,
      body: { blocked: 0 },
    })
    // Its length alone is enough: what is sent after that would meet a connection that is closed.
    const large = request(`${proxy.admin}/api/blocks/lines?permanent`, {
      method: 'POST',
      headers: { ...headers, Authorization: `Bearer ${ADMIN_TOKEN}`, 'Content-Length': 8 * 1_048_576 + 1 },
    })
    large.flushHeaders()
    const [reply] = (await once(large, 'response')) as [IncomingMessage]
    expect([reply.statusCode, JSON.parse(await text(reply)).title]).toEqual([413, 'Content Too Large'])
    large.destroy()
    expect(await askAdmin(proxy.admin, 'GET', '/api/blocks/lines?source=me')).toMatchObject({
      status: 400,
      body: { detail: 'source: expected auto or manual' },
    })
  })
})

describe('a long list', () => {
  const COUNT = 20_000
  const log = pino({ level: 'silent' })

  const adminOf = (blocks: BlockStore) => {
    const admin = Fastify()
    admin.setValidatorCompiler(validateByZod)
    admin.decorateRequest('caller', { getter: () => ({ name: 'ann', role: 'operate' as const }) })
    blockLinesRoutes(admin, { blocks, policies: new TestPolicies({}) }, log)
    return admin
  }

  /** How often others have had their turn meanwhile. */
  const turnsDuring = async (work: Promise<unknown>): Promise<number> => {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    let turns = 0
    for (; !isDone; turns++) await others()
    await done
    return turns
  }

  it('goes in and out by slices, between which others have their turn', async () => {
    const blocks = new BlockStore(undefined, log)
    const sizes: number[] = []
    const block = blocks.block.bind(blocks)
    blocks.block = (orders) => {
      sizes.push(orders.length)
      return block(orders)
    }
    const admin = adminOf(blocks)
    const lines = Array.from({ length: COUNT }, (_, index) => `${addressText(0xc000_0000 + index)} permanent`)
    const sent = admin.inject({ method: 'POST', url: '/api/blocks/lines', headers, body: lines.join('\n') })
    expect(await turnsDuring(sent)).toBeGreaterThan(COUNT / 500)
    expect((await sent).json()).toEqual({ blocked: COUNT, passed: 0, withoutEffect: 0, isFleetTold: true })
    expect(Math.max(...sizes)).toBeLessThanOrEqual(500)
    const got = admin.inject('/api/blocks/lines')
    expect(await turnsDuring(got)).toBeGreaterThan(COUNT / 500)
    expect(new Set((await got).body.trimEnd().split('\n'))).toEqual(new Set(lines))
  })

  it('is not told of as the fleet’s where any slice of it is not', async () => {
    const blocks = new BlockStore(undefined, log)
    const block = blocks.block.bind(blocks)
    let calls = 0
    blocks.block = async (orders) => ({ ...(await block(orders)), isFleetTold: ++calls !== 2 })
    const admin = adminOf(blocks)
    const body = Array.from({ length: 2_000 }, (_, index) => `${addressText(0xc000_0000 + index)} permanent`).join('\n')
    const reply = await admin.inject({ method: 'POST', url: '/api/blocks/lines', headers, body })
    expect(reply.json()).toMatchObject({ blocked: 2_000, isFleetTold: false })
    expect(calls).toBeGreaterThan(2)
  })
})
