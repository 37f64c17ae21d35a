import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigurationError, loadEnvironment } from '../environment.ts'
import { type RedisTarget, redisCrossChecks, redisFields, redisTarget } from './settings.ts'

const read = (source: Record<string, string>) => loadEnvironment(z.object(redisFields), source, redisCrossChecks)

const targetOf = (source: Record<string, string>): RedisTarget | undefined => redisTarget(read(source))

const problemsOf = (source: Record<string, string>): readonly string[] => {
  try {
    read(source)
    return []
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return error.problems
  }
}

describe('where Redis is', () => {
  it.each<[string, object]>([
    ['redis://cache', { node: { host: 'cache', port: 6379 }, database: 0, username: undefined, tls: undefined }],
    ['redis://10.0.0.1:7000/3', { node: { host: '10.0.0.1', port: 7000 }, database: 3 }],
    ['redis://[::1]:7000', { node: { host: '::1', port: 7000 } }],
    ['redis://:p%40ss@cache', { username: undefined, password: 'p@ss' }],
    ['redis://me:secret@cache', { username: 'me', password: 'secret' }],
    ['rediss://cache', { tls: { ca: undefined } }],
  ])('%s', (url, expected) => {
    expect(targetOf({ REDIS_URL: url })).toMatchObject({ kind: 'single', ...expected })
  })

  it('is nowhere by default', () => {
    expect(targetOf({})).toBeUndefined()
    expect(targetOf({ REDIS_URL: '' })).toBeUndefined()
  })

  it('is a cluster, or behind sentinels', () => {
    expect(targetOf({ REDIS_CLUSTER_NODES: 'a:1, [::1]:2', REDIS_USERNAME: 'me', REDIS_TLS: 'true' })).toMatchObject({
      kind: 'cluster',
      nodes: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
      ],
      username: 'me',
      tls: { ca: undefined },
    })
    expect(targetOf({ REDIS_SENTINELS: 'a:26379', REDIS_SENTINEL_PASSWORD: 's' })).toMatchObject({
      kind: 'sentinel',
      sentinels: [{ host: 'a', port: 26379 }],
      masterName: 'mymaster',
      sentinelPassword: 's',
    })
  })

  it('has the certificates of a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sidegate-ca-'))
    const file = join(folder, 'ca.pem')
    await writeFile(file, 'PEM')
    expect(targetOf({ REDIS_URL: 'rediss://cache', REDIS_TLS_CA_FILE: file })).toMatchObject({ tls: { ca: 'PEM' } })
    await rm(folder, { recursive: true })
    expect(problemsOf({ REDIS_URL: 'rediss://cache', REDIS_TLS_CA_FILE: file })).toEqual([
      expect.stringMatching(/^REDIS_TLS_CA_FILE: ENOENT.*name a PEM file/),
    ])
  })
})

describe('what cannot be', () => {
  it.each<[Record<string, string>, RegExp]>([
    [{ REDIS_URL: 'cache:6379' }, /^REDIS_URL: expected redis:\/\//],
    [{ REDIS_URL: 'redis://cache/0?tls=1' }, /^REDIS_URL: expected/],
    [{ REDIS_URL: 'redis://cache/zero' }, /^REDIS_URL: expected/],
    [{ REDIS_URL: 'redis://:50%off@cache' }, /^REDIS_URL: .*% is written %25/],
    [{ REDIS_URL: 'redis://user:12#4hunter2@cache' }, /^REDIS_URL: .*# %23/],
    [{ REDIS_CLUSTER_NODES: 'a:1,b' }, /^REDIS_CLUSTER_NODES: expected host:port/],
    [{ REDIS_SENTINELS: 'a:99999' }, /^REDIS_SENTINELS: expected host:port/],
    [{ REDIS_TIMEOUT_MS: '50ms' }, /^REDIS_TIMEOUT_MS: expected whole milliseconds/],
    [{ SIDEGATE_SERVICE: 'a b' }, /^SIDEGATE_SERVICE: expected 1 to 64/],
    [{ REDIS_URL: 'redis://a', REDIS_SENTINELS: 'b:1' }, /^REDIS_URL and REDIS_SENTINELS exclude one another/],
    [{ REDIS_URL: 'redis://a', REDIS_PASSWORD: 'x' }, /with REDIS_URL, write them into it/],
    [{ REDIS_URL: 'redis://a', REDIS_TLS: 'true' }, /write rediss:\/\//],
    [{ REDIS_URL: 'redis://a', REDIS_TLS_CA_FILE: '/etc/hosts' }, /of no use without TLS/],
  ])('%j', (source, problem) => {
    expect(problemsOf(source)).toEqual([expect.stringMatching(problem)])
  })

  it.each<Record<string, string>>([
    { REDIS_URL: 'redis://me:hunter2@cache:6379/x' },
    { REDIS_URL: 'redis://:hunter2' },
    { REDIS_URL: 'cache:6380,password=hunter2,ssl=True' },
    { REDIS_URL: 'redis://cache:6379?password=hunter2' },
    { REDIS_SENTINELS: 'a:1,password=hunter2' },
  ])('is told without the password: %j', (source) => {
    const problems = problemsOf(source)
    expect(problems).toHaveLength(1)
    expect(problems.join()).not.toContain('hunter2')
  })
})
