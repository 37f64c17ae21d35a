import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, askAdmin, describedRoutes } from '../testing/ask-admin.ts'
import { type ProxyProcess, spawnProxy, startProxyProcess } from '../testing/proxy-process.ts'

/** Nothing here comes near the app. */
const UPSTREAM_URL = 'http://127.0.0.1:1'
const READ_TOKEN = 'a-token-that-reads'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const startProxy = async (environment: Record<string, string>): Promise<ProxyProcess> => {
  const proxy = await startProxyProcess(UPSTREAM_URL, environment)
  closing.push(async () => {
    proxy.child.process.kill('SIGKILL')
    await proxy.child.exited()
  })
  return proxy
}

const folderOfKeys = async (text: string) => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-keys-'))
  closing.push(() => rm(folder, { recursive: true }))
  const write = (content: string) => writeFile(join(folder, 'admin-tokens.yaml'), content)
  await write(text)
  return { folder, write }
}

const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex')

const guarded = describedRoutes.filter(({ operation }) => operation.security !== undefined)
const changing = guarded.filter(({ operation }) => JSON.stringify(operation).includes('role `operate`'))

describe('the admin port', () => {
  it('answers probes and Prometheus without a token, and nothing else, wherever it is asked', async () => {
    expect(describedRoutes.filter(({ operation }) => operation.security === undefined).map(({ path }) => path)).toEqual(
      [...['/health/live', '/health/ready', '/health', '/metrics']],
    )
    const { admin } = await startProxy({ ADMIN_TOKEN })
    for (const { method, path } of guarded) {
      const { status, headers } = await askAdmin(admin, method, path, { token: null })
      expect([status, headers.get('www-authenticate')], `${method} ${path}`).toEqual([401, 'Bearer'])
      expect((await askAdmin(admin, method, path.replace('i', '%69'), { token: null })).status, path).toBe(401)
    }
  })

  it('answers what it cannot make out as it answers all else', async () => {
    const { admin } = await startProxy({ ADMIN_TOKEN })
    const { status, headers, body } = await askAdmin(admin, 'GET', '/%zz')
    expect([status, headers.get('content-type')]).toEqual([400, expect.stringMatching(/^application\/problem\+json/)])
    expect(headers.get('x-request-id')).toBe(body.correlationId)
  })

  it('without a policy for several workers says so to who may look, too', async () => {
    const child = spawnProxy({
      ...{ UPSTREAM_URL, WORKERS: '2', ADMIN_TOKEN, ADMIN_READ_TOKEN: READ_TOKEN, HOST: '127.0.0.1', PORT: '0' },
      ...{ ADMIN_HOST: '127.0.0.1', ADMIN_PORT: '0' },
    })
    closing.push(() => child.process.kill('SIGKILL'))
    const { admin } = (await child.line(({ msg }) => msg === 'proxy runs workers')) as { admin?: { port: number } }
    const { status } = await askAdmin(`http://127.0.0.1:${admin?.port}`, 'GET', '/api/policy', { token: READ_TOKEN })
    expect(status).toBe(503)
  })

  it('changes nothing for who may only look', async () => {
    const { admin } = await startProxy({ ADMIN_TOKEN, ADMIN_READ_TOKEN: READ_TOKEN })
    expect(changing.map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual([
      ...['DELETE /api/blocks/192.0.2.0/24', 'DELETE /api/blocks/192.0.2.7', 'DELETE /api/policy/shadow'],
      ...['POST /api/blocks', 'POST /api/blocks/lines', 'POST /api/circuits/read/reset', 'POST /api/policy/rollback'],
      ...['POST /api/purges', 'POST /drain'],
      ...['PUT /api/circuits/read', 'PUT /api/emergency', 'PUT /api/policy', 'PUT /api/policy/shadow'],
    ])
    for (const { method, path } of changing) {
      const { status, body } = await askAdmin(admin, method, path, { token: READ_TOKEN })
      expect([status, body.detail], `${method} ${path}`).toEqual([403, expect.stringContaining('ADMIN_READ_TOKEN')])
    }
    for (const { method, path } of guarded.filter((route) => !changing.includes(route))) {
      const { status } = await askAdmin(admin, method, path, {
        token: READ_TOKEN,
        ...(method === 'POST' && { body: {} }),
      })
      const isOfNothing = path.startsWith('/api/purges/') // there is none: who may look is told so
      expect(status, `${method} ${path}`).toBe(isOfNothing ? 404 : 200)
    }
    const { token, lifecycle } = (await askAdmin(admin, 'GET', '/api/status', { token: READ_TOKEN })).body
    expect([token, lifecycle]).toEqual([{ name: 'ADMIN_READ_TOKEN', role: 'read' }, 'serving'])
  })

  it('says at its start what is off for want of a token', async () => {
    const { child, admin } = await startProxy({})
    await child.line(({ msg }) =>
      msg.startsWith('no token is configured: all of the admin port but health and metrics is off'),
    )
    const { status, body } = await askAdmin(admin, 'GET', '/api/status')
    expect([status, body.detail]).toEqual([401, expect.stringContaining('set ADMIN_TOKEN, or KEYRING_DIR')])
    const reader = await startProxy({ ADMIN_READ_TOKEN: READ_TOKEN })
    await reader.child.line(({ msg }) => msg.startsWith('no token may operate'))
  })

  it('looks at no more tokens of an address that has sent ten wrong ones, and says so once', async () => {
    const { child, admin } = await startProxy({ ADMIN_TOKEN })
    const statuses: number[] = []
    for (let i = 0; i < 12; i++)
      statuses.push((await askAdmin(admin, 'GET', '/api/status', { token: `wrong-${i}` })).status)
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429])
    const right = await askAdmin(admin, 'GET', '/api/status')
    expect(right.status, 'short, it could be what is being guessed').toBe(429)
    expect(Number(right.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(child.lines.filter(({ msg }) => msg.includes('too many wrong tokens'))).toHaveLength(1)
    expect((await askAdmin(admin, 'GET', '/health/live')).status).toBe(200)
  })

  it('goes on looking at tokens that nobody can guess, whoever guesses beside', async () => {
    const long = `sgt_${'x'.repeat(43)}`
    const { admin } = await startProxy({ ADMIN_TOKEN: long })
    for (let i = 0; i < 11; i++) await askAdmin(admin, 'GET', '/api/status', { token: `wrong-${i}` })
    expect((await askAdmin(admin, 'GET', '/api/status', { token: `sgt_${'y'.repeat(43)}` })).status).toBe(429)
    expect((await askAdmin(admin, 'GET', '/api/status', { token: long })).status).toBe(200)
  })

  it('refuses bodies above a mebibyte, queries that it does not know, and other types, each by its name', async () => {
    const { admin } = await startProxy({ ADMIN_TOKEN })
    const put = (body: string, path = '/api/policy', type = 'application/yaml') =>
      askAdmin(admin, 'PUT', path, { body, headers: { 'If-Match': '"0"', 'Content-Type': type } })
    const large = await fetch(`${admin}/api/policy`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, 'If-Match': '"0"', 'Content-Type': 'application/yaml' },
      body: `# ${'x'.repeat(1_100_000)}`,
    })
    expect([large.status, ((await large.json()) as { title: string }).title]).toEqual([413, 'Content Too Large'])
    expect((await put('{}', '/api/policy?probation=nonne')).body.detail).toBe('probation: expected probation=none')
    expect((await put('{}', '/api/policy?probatoin=none')).body.detail).toMatch(/^probatoin: is not part of this query/)
    const text = await fetch(`${admin}/api/policy`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${ADMIN_TOKEN}`, 'If-Match': '"0"', 'Content-Type': 'image/png' },
      body: '{}',
    })
    expect([text.status, ((await text.json()) as { title: string }).title]).toEqual([415, 'Unsupported Media Type'])
    expect((await askAdmin(admin, 'GET', '/api/policy')).body.version).toBe(0)
  })
})

describe('tokens of the keyring', () => {
  it('come and go while the process runs, and their names stand in the audit log and the history', async () => {
    const { folder, write } = await folderOfKeys(`alice: {role: operate, sha256: ${sha256('token-of-alice')}}`)
    const { child, admin } = await startProxy({ KEYRING_DIR: folder })
    const put = (token: string, version: number) =>
      askAdmin(admin, 'PUT', '/api/policy', {
        body: {},
        token,
        headers: { 'If-Match': `"${version}"`, 'X-Request-ID': `by-${token}` },
      })
    expect((await put('token-of-alice', 0)).status).toBe(200)
    expect(await child.line(({ msg }) => msg === 'policy applied')).toMatchObject({
      ...{ audit: 'policy applied', author: 'alice', correlationId: 'by-token-of-alice', clientAddress: '127.0.0.1' },
      ...{ policyVersion: 1, differences: [] },
    })
    await write(`bob: {role: operate, sha256: ${sha256('token-of-bob')}}`)
    await child.line(({ msg, keys }) => msg === 'keyring read' && String(keys) === 'bob (operate)')
    expect((await put('token-of-bob', 1)).status).toBe(200)
    expect((await put('token-of-alice', 2)).status).toBe(401)
    const { versions } = (await askAdmin(admin, 'GET', '/api/policy/history', { token: 'token-of-bob' })).body
    expect(versions.map(({ author }: { author: string }) => author)).toEqual(['bob', 'alice', 'defaults'])
    expect(JSON.stringify(child.lines)).not.toContain(sha256('token-of-bob'))
  })

  it('that cannot be read stop the start', async () => {
    const { folder } = await folderOfKeys('alice: {role: root}')
    const child = spawnProxy({ UPSTREAM_URL, PORT: '0', ADMIN_PORT: '0', KEYRING_DIR: folder })
    expect(await child.exited()).toBe(78)
    expect(child.stderr()).toMatch(/KEYRING_DIR: .*admin-tokens\.yaml: alice\.role: expected read or operate/)
  })
})
