import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ADMIN_TOKEN, askAdmin } from '../testing/ask-admin.ts'
import { okApp, operatedProxy, operatedWorkers, ownRedis } from '../testing/operated-proxy.ts'
import { type ProxyProcess, spawnProxy, startProxyProcess } from '../testing/proxy-process.ts'

/** Nothing here comes near the app. */
const APP = 'http://127.0.0.1:1'

/** Of all that is refused, and so changes nothing. */
let unchanged: ProxyProcess
beforeAll(async () => {
  unchanged = await startProxyProcess(APP, { ADMIN_TOKEN })
})
afterAll(async () => {
  expect((await list(unchanged)).size).toBe(0)
  unchanged.child.process.kill('SIGKILL')
  await unchanged.child.exited()
})

const workersWithoutRedis = async (): Promise<string> => {
  const child = spawnProxy({
    ...{ UPSTREAM_URL: APP, WORKERS: '2', ADMIN_TOKEN, HOST: '127.0.0.1', PORT: '0' },
    ...{ ADMIN_HOST: '127.0.0.1', ADMIN_PORT: '0' },
  })
  onTestFinished(() => void child.process.kill('SIGKILL'))
  const { admin } = (await child.line(({ msg }) => msg === 'proxy runs workers')) as { admin?: { port: number } }
  return `http://127.0.0.1:${admin?.port}`
}

const block = ({ admin }: ProxyProcess, body: unknown) => askAdmin(admin, 'POST', '/api/blocks', { body })
const list = async ({ admin }: ProxyProcess, query = '') => (await askAdmin(admin, 'GET', `/api/blocks${query}`)).body
const rangesOf = ({ blocks }: { blocks: readonly { range: string }[] }) => blocks.map(({ range }) => range)

const putPolicy = ({ admin }: ProxyProcess, body: unknown) =>
  askAdmin(admin, 'PUT', '/api/policy?probation=none', { body, headers: { 'If-Match': '"0"' } })

describe('a block', () => {
  it('is made, told of, changed and ended, each with a line in the audit log', async () => {
    const proxy = await operatedProxy(APP)
    const made = await block(proxy, { range: '198.51.100.9/24', seconds: 600, reason: ' scrapes  a lot ' })
    expect(made).toMatchObject({ status: 201, body: { isFleetTold: true } })
    const { since, until, ...rest } = made.body.block
    expect(rest).toEqual({
      ...{ range: '198.51.100.0/24', source: 'manual', author: 'ADMIN_TOKEN', reason: 'scrapes a lot', count: 1 },
    })
    expect(Date.parse(until) - Date.parse(since)).toBe(600_000)
    expect(await list(proxy)).toEqual({ blocks: [made.body.block], next: null, size: 1 })
    expect(await block(proxy, { range: '198.51.100.0/24', permanent: true })).toMatchObject({
      status: 200,
      body: { block: { until: null, reason: '', count: 1 } },
    })
    expect(await askAdmin(proxy.admin, 'DELETE', '/api/blocks/198.51.100.0%2F24')).toMatchObject({
      status: 200,
      body: { unblocked: { range: '198.51.100.0/24', until: null }, isFleetTold: true },
    })
    expect(await list(proxy)).toEqual({ blocks: [], next: null, size: 0 })
    expect(proxy.child.lines.filter(({ audit }) => audit !== undefined)).toMatchObject([
      { audit: 'address blocked', author: 'ADMIN_TOKEN', range: '198.51.100.0/24', reason: 'scrapes a lot', until },
      { audit: 'address blocked', until: null },
      { audit: 'address unblocked', range: '198.51.100.0/24', was: { until: null } },
    ])
  })

  it.each([
    [{ seconds: 1 }, /^range: is required: expected an address or a range/],
    [{ range: 'example.com', seconds: 1 }, /^range: expected an address or a range, as in 192\.0\.2\.7/],
    [{ range: '192.0.2.0/33', seconds: 1 }, /^range: expected an address/],
    [{ range: 7, seconds: 1 }, /^range: expected an address/],
    [{ range: '192.0.2.7' }, /^say how long: either "seconds", or "permanent": true$/],
    [{ range: '192.0.2.7', seconds: 1, permanent: true }, /^say how long/],
    [{ range: '192.0.2.7', seconds: 0 }, /^seconds: expected a whole number of seconds from 1/],
    [{ range: '192.0.2.7', seconds: 1.5 }, /^seconds: expected a whole number/],
    [{ range: '192.0.2.7', seconds: '60' }, /^seconds: expected a whole number/],
    [{ range: '192.0.2.7', seconds: 1e9 }, /^seconds: .*; for more, say permanent$/],
    [{ range: '192.0.2.7', permanent: false }, /^permanent: expected true, or nothing at all$/],
    [{ range: '192.0.2.7', seconds: 1, reason: 'r'.repeat(201) }, /^reason: the reason is longer than 200 characters/],
    [{ range: '192.0.2.7', seconds: 1, reason: 'a\nb' }, /^reason: the reason has control or invisible characters/],
    [{ range: '192.0.2.7', seconds: 1, reason: 5 }, /^reason: expected a text of up to 200/],
    [{ range: '192.0.2.7', seconds: 1, confirm: 'yes' }, /^confirm: expected an address or a range/],
    [{ range: '192.0.2.7', second: 1 }, /second: is not part of this body: remove it, or correct its name/],
    [[], /^expected an object, as in \{"range"/],
  ])('is not made of %j, and the field and the remedy are named', async (body, detail) => {
    expect(await block(unchanged, body)).toMatchObject({ status: 400, body: { detail: expect.stringMatching(detail) } })
  })

  it('is not made where it would have no effect: the part of the policy is named', async () => {
    const proxy = await operatedProxy(APP)
    await putPolicy(proxy, {
      blocking: { allow: ['192.0.2.0/24', '2001:db8::/48'] },
      trustedProxies: { ranges: ['203.0.113.0/28'] },
    })
    const seconds = 60
    for (const range of ['192.0.2.0/24', '192.0.2.7', '2001:db8:0:7::/64', '::ffff:192.0.2.7']) {
      expect((await block(proxy, { range, seconds })).body.detail, range).toMatch(
        /^range: all of .* lies in .* of blocking\.allow, which is never blocked: take that out of the policy first\.$/,
      )
    }
    const trusted = await block(proxy, { range: '203.0.113.8/30', seconds })
    expect(trusted).toMatchObject({
      status: 422,
      body: { detail: expect.stringContaining('203.0.113.0/28 of trustedProxies.ranges') },
    })
    expect((await list(proxy)).size).toBe(0)
    for (const range of ['192.0.0.0/16', '2001:db8:1::/48', '203.0.113.16']) {
      expect((await block(proxy, { range, seconds })).status, range).toBe(201)
    }
  })

  it('of a range that nobody means is made only where it is named twice', async () => {
    const proxy = await operatedProxy(APP)
    const seconds = 60
    for (const range of ['0.0.0.0/0', '10.0.0.0/7', '::/0', '2001::/18']) {
      for (const confirm of [undefined, '192.0.2.0/24']) {
        const { status, body } = await block(proxy, { range, seconds, confirm })
        expect([status, body.detail], range).toEqual([422, expect.stringMatching(/wider than .*, send "confirm": "/)])
      }
    }
    expect((await list(proxy)).size).toBe(0)
    expect((await block(proxy, { range: '10.0.0.0/7', seconds, confirm: '11.0.0.0/7' })).status).toBe(201)
    expect((await block(proxy, { range: '12.0.0.0/8', seconds })).status).toBe(201)
    expect((await block(proxy, { range: '2001::/19', seconds })).status).toBe(201)
  })

  it('of who makes it comes with a warning', async () => {
    const proxy = await operatedProxy(APP)
    const wide = { range: '126.0.0.0/7', confirm: '126.0.0.0/7', seconds: 60 }
    const { status, body } = await block(proxy, wide)
    expect([status, body.warning]).toEqual([201, expect.stringContaining('127.0.0.1, lies in 126.0.0.0/7')])
    expect(await block(proxy, { range: '127.0.0.1', seconds: 60 })).toMatchObject({
      status: 422,
      body: { detail: expect.stringContaining('127.0.0.0/8 of this machine, which is never blocked') },
    })
    expect((await block(proxy, { range: '192.0.2.7', seconds: 60 })).body).not.toHaveProperty('warning')
  })

  it('is ended by exactly its range, however that is written; else those are named that cover it', async () => {
    const proxy = await operatedProxy(APP)
    const remove = (path: string) => askAdmin(proxy.admin, 'DELETE', `/api/blocks/${path}`)
    for (const range of ['192.0.2.0/24', '192.0.2.7', '2001:db8::/48']) await block(proxy, { range, seconds: 60 })
    expect((await remove('192.0.2.8')).body.detail).toBe(
      'There is no block of exactly 192.0.2.8; it is covered by 192.0.2.0/24: unblock that.',
    )
    expect(await remove('192.0.2.0%2F25')).toMatchObject({ status: 404 })
    expect((await remove('192.0.0.0/16')).body.detail).toBe(
      'There is no block of 192.0.0.0/16, nor one that covers it.',
    )
    expect((await remove('192.0.2.7%2F32')).status).toBe(200)
    expect((await remove('192.0.2.99/24')).status).toBe(200)
    expect((await remove('2001:DB8:0::%2F48')).status).toBe(200)
    expect((await list(proxy)).size).toBe(0)
    for (const [path, detail] of [
      ['somebody', /^range: expected an address or a range/],
      ['192.0.2.0%2F33', /^range: expected/],
      ['192.0.2.0/x', /^bits: expected the length of a prefix/],
      ['192.0.2.0/33', /^bits: 192\.0\.2\.0 has not so many/],
      ['somebody/24', /^address: expected an address/],
    ] as const) {
      expect(await remove(path), path).toMatchObject({ status: 400, body: { detail: expect.stringMatching(detail) } })
    }
  })
})

describe('the list of blocks', () => {
  it('comes in pages, and may be of some of them', async () => {
    const proxy = await operatedProxy(APP)
    const ranges = Array.from({ length: 7 }, (_, index) => `192.0.2.${index}`)
    for (const range of [...ranges, '192.0.2.0/29', '2001:db8::/48']) await block(proxy, { range, seconds: 600 })
    const seen: string[] = []
    let pages = 0
    for (let cursor: number | null = 0; cursor !== null; pages++) {
      const page: Awaited<ReturnType<typeof list>> = await list(proxy, `?limit=4&cursor=${cursor}`)
      expect(page.blocks.length).toBeLessThanOrEqual(4)
      expect(page.size).toBe(9)
      seen.push(...rangesOf(page))
      cursor = page.next
    }
    expect(pages).toBeGreaterThanOrEqual(3)
    expect(new Set(seen)).toEqual(new Set([...ranges, '192.0.2.0/29', '2001:db8::/48']))
    expect(seen).toHaveLength(9)
    expect(rangesOf(await list(proxy, '?address=192.0.2.3'))).toEqual(['192.0.2.0/29', '192.0.2.3'])
    expect(rangesOf(await list(proxy, '?address=2001:db8::7'))).toEqual(['2001:db8::/48'])
    expect(rangesOf(await list(proxy, '?source=auto'))).toEqual([])
    expect(rangesOf(await list(proxy, '?source=manual'))).toHaveLength(9)
  })

  it('has those that have passed only where they are asked for', async () => {
    const proxy = await operatedProxy(APP)
    await block(proxy, { range: '192.0.2.7', seconds: 1 })
    await block(proxy, { range: '192.0.2.0/24', seconds: 600 })
    await expect.poll(async () => rangesOf(await list(proxy)), { timeout: 10_000 }).toEqual(['192.0.2.0/24'])
    expect(rangesOf(await list(proxy, '?passed=true')).toSorted()).toEqual(['192.0.2.0/24', '192.0.2.7'])
    expect(rangesOf(await list(proxy, '?address=192.0.2.7'))).toEqual(['192.0.2.0/24'])
    expect(await block(proxy, { range: '192.0.2.7', seconds: 60 })).toMatchObject({
      status: 201,
      body: { block: { count: 2 } },
    })
  })

  it.each([
    ['limit=0', /^limit: expected a number from 1 to 1000$/],
    ['limit=1001', /^limit: expected a number/],
    ['limit=ten', /^limit: expected a number/],
    ['cursor=-1', /^cursor: expected `next` of the page before$/],
    ['source=me', /^source: expected auto or manual$/],
    ['address=192.0.2.0/24', /^address: expected an address, as in/],
    ['passed=yes', /^passed: expected true, or nothing at all$/],
    ['adress=192.0.2.7', /^adress: is not part of this query/],
  ])('is not asked for with %s', async (query, detail) => {
    expect(await askAdmin(unchanged.admin, 'GET', `/api/blocks?${query}`)).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(detail) },
    })
  })
})

describe('explanations', () => {
  const explain = async ({ admin }: ProxyProcess, address: string) =>
    (await askAdmin(admin, 'GET', `/api/explain?address=${address}`)).body

  it('tell of one address by which block it is refused, and since when it is free', async () => {
    const proxy = await operatedProxy(APP)
    expect(await explain(proxy, '2001:db8::7')).toMatchObject({
      ...{ address: '2001:db8::7', client: '2001:db8::/64', verdict: 'free', policyVersion: 0, allowedBy: null },
      ...{ because: 'No block covers 2001:db8::7.', blocks: [] },
    })
    await block(proxy, { range: '2001:db8::/32', seconds: 60, reason: 'scrapes' })
    expect(await explain(proxy, '2001:DB8::7')).toMatchObject({
      verdict: 'blocked',
      because: expect.stringMatching(/^2001:db8::\/32 is blocked by ADMIN_TOKEN since \d.*Z, until \d.*Z: scrapes\.$/),
      blocks: [{ range: '2001:db8::/32', isHolding: true, violations: [] }],
    })
    await putPolicy(proxy, { blocking: { allow: ['2001:db8::/48'] } })
    expect(await explain(proxy, '2001:db8::7')).toMatchObject({
      ...{ verdict: 'allowed', policyVersion: 1, allowedBy: { range: '2001:db8::/48', by: 'blocking.allow' } },
    })
  })

  it.each([
    ['', /^address: is required: expected an address/],
    ['?address=', /^address: expected an address, as in/],
    ['?address=192.0.2.0/32', /^address: expected/],
    ['?address=fe80::1%25eth0', /^address: expected/],
    ['?address=192.0.2.7&verbose=1', /^verbose: is not part of this query/],
  ])('are not asked for with "%s"', async (query, detail) => {
    expect(await askAdmin(unchanged.admin, 'GET', `/api/explain${query}`)).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(detail) },
    })
  })
})

describe('with several workers', () => {
  it('blocks are those of the fleet', async () => {
    const redis = await ownRedis()
    const workers = await operatedWorkers(await okApp(), { REDIS_URL: redis.url })
    expect((await block(workers, { range: '192.0.2.7', seconds: 60 })).status).toBe(201)
    expect(rangesOf(await list(workers))).toEqual(['192.0.2.7'])
    const { body } = await askAdmin(workers.admin, 'GET', '/api/explain?address=192.0.2.7')
    expect(body).toMatchObject({ verdict: 'blocked', blocks: [{ range: '192.0.2.7' }] })
    expect((await askAdmin(workers.admin, 'DELETE', '/api/blocks/192.0.2.7')).status).toBe(200)
  })

  it('and no Redis to share them by, nothing is told or done', async () => {
    const admin = await workersWithoutRedis()
    for (const [method, path, request] of [
      ['GET', '/api/blocks', {}],
      ['POST', '/api/blocks', { body: { range: '192.0.2.7', seconds: 60 } }],
      ['DELETE', '/api/blocks/192.0.2.0/24', {}],
      ['GET', '/api/blocks/lines', {}],
      ['GET', '/api/explain?address=192.0.2.7', {}],
    ] as const) {
      expect(await askAdmin(admin, method, path, request), path).toMatchObject({
        status: 503,
        body: { detail: expect.stringContaining('set REDIS_URL') },
      })
    }
  })
})
