import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { freePort } from '../../deploy/local/ports.ts'
import { loadEnvironment } from '../environment.ts'
import { RedisGuard } from '../redis.ts'
import { eventually } from '../testing/eventually.ts'
import { quietLog, TIMEOUT_MS } from '../testing/redis-guards.ts'
import { RedisProcess } from '../testing/redis-process.ts'
import { Fleet } from './fleet.ts'
import { LeaderLock } from './leader-lock.ts'
import { redisCrossChecks, redisFields, redisTarget } from './settings.ts'
import { SharedCounts } from './shared-counts.ts'
import { SharedDocument } from './shared-document.ts'

/** Of a self-signed certificate for 127.0.0.1, good for a hundred years and nothing else. */
const tlsFile = (name: string): string => fileURLToPath(new URL(`../testing/tls/${name}`, import.meta.url))
const CA_FILE = tlsFile('loopback.pem')

let redis: RedisProcess
let tlsPort: number

beforeAll(async () => {
  tlsPort = await freePort()
  redis = await new RedisProcess(await freePort(), [
    `tls-port ${tlsPort}`,
    `tls-cert-file ${CA_FILE}`,
    `tls-key-file ${tlsFile('loopback-key.pem')}`,
    'tls-auth-clients no',
    // As docs/operating.md has it.
    'user mute on >p@ss ~sidegate:shop:* &sidegate:shop:* +@all -@admin -@dangerous +info',
    'user proxy on >p@ss ~sidegate:shop:* &sidegate:shop:* +@all -@admin -@dangerous +info',
  ]).start()
})

afterAll(() => redis.close())

const guardFor = (environment: Record<string, string>, logged: string[] = []): RedisGuard => {
  const settings = loadEnvironment(z.object(redisFields), environment, redisCrossChecks)
  const target = redisTarget(settings)
  if (target === undefined) throw new Error('no Redis')
  return new RedisGuard(
    target,
    { timeoutMs: TIMEOUT_MS, keyPrefix: `sidegate:${settings.SIDEGATE_SERVICE}:`, name: 'test' },
    pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
  )
}

const tlsUrl = (userInfo: string) => `rediss://${userInfo}@127.0.0.1:${tlsPort}`

it('by TLS, as a user with the rights that are documented, all works', async () => {
  const logged: string[] = []
  const guard = guardFor(
    { REDIS_URL: tlsUrl('proxy:p%40ss'), REDIS_TLS_CA_FILE: CA_FILE, SIDEGATE_SERVICE: 'shop' },
    logged,
  )
  await eventually('it has connected', () => !guard.isImpaired)
  const counts = new SharedCounts(guard, 'i', { name: 'n', keysLimit: 10 })
  const fleet = new Fleet(guard, 'proxy', 'i', 50)
  const lock = new LeaderLock(guard, 'i', { name: 'l' }, quietLog)
  const document = new SharedDocument(guard, { name: 'd', historyLimit: 5 }, quietLog, () => undefined)
  await document.open()
  counts.add('k', 1, 60_000)
  await counts.flush()
  await counts.flush()
  await eventually('this one leads', () => lock.token !== undefined)
  expect(await document.propose(0, 'x')).toEqual({ kind: 'accepted', version: 1 })
  await Promise.all([counts.close(), lock.close(), fleet.close()])
  document.close()
  expect(guard.counts.calls).toMatchObject({ refused: 0, timeout: 0, unreachable: 0 })
  expect(logged.join('')).not.toContain('refuses')
  guard.close()
})

it.each<[string, string, Record<string, string>, RegExp]>([
  ['a password that is wrong', 'proxy:wrong', { REDIS_TLS_CA_FILE: CA_FILE }, /WRONGPASS/],
  ['a certificate that nobody vouches for', 'proxy:p%40ss', {}, /self-signed certificate/],
])('%s is said, and done without', async (_what, userInfo, more, cause) => {
  const logged: string[] = []
  const guard = guardFor({ REDIS_URL: tlsUrl(userInfo), SIDEGATE_SERVICE: 'shop', ...more }, logged)
  expect(
    await guard.call(
      'k',
      (commands) => commands.get('k'),
      () => 'without',
    ),
  ).toBe('without')
  await eventually('it is said', () => logged.length > 0)
  expect(logged.join('')).toMatch(/redis is not there: doing without it/)
  expect(logged.join('')).toMatch(cause)
  expect(logged.join('')).not.toMatch(/p@ss|p%40ss|:wrong/)
  guard.close()
})

it('a right that is missing is a refusal and no outage', async () => {
  const logged: string[] = []
  const guard = guardFor(
    { REDIS_URL: tlsUrl('proxy:p%40ss'), REDIS_TLS_CA_FILE: CA_FILE, SIDEGATE_SERVICE: 'shop' },
    logged,
  )
  await eventually('it has connected', () => !guard.isImpaired)
  for (let i = 0; i < 10; i++) {
    expect(
      await guard.call(
        'other',
        (commands) => commands.get('other'),
        () => 'without',
      ),
    ).toBe('without')
  }
  expect(guard.counts.calls.refused).toBe(10)
  expect(guard.isImpaired).toBe(false)
  expect(logged.filter((line) => line.includes('redis refuses a command'))).toHaveLength(1)
  guard.close()
})

it('a user that may not listen any more hears of changes by polls, is told of once, and is no crash', async () => {
  const logged: string[] = []
  const guard = guardFor(
    { REDIS_URL: tlsUrl('mute:p%40ss'), REDIS_TLS_CA_FILE: CA_FILE, SIDEGATE_SERVICE: 'shop' },
    logged,
  )
  await eventually('it has connected', () => !guard.isImpaired)
  let heard = 0
  guard.subscribe('sidegate:shop:x', () => heard++)
  await eventually('it listens', () => heard > 0)
  await redis.command(['ACL', 'SETUSER', 'mute', 'resetchannels'], ['CLIENT', 'KILL', 'USER', 'mute'])
  await eventually('it is told', () => logged.join('').includes('redis refuses a command'))
  heard = 0
  for (let i = 0; i < 5; i++) {
    await redis.command(['CLIENT', 'KILL', 'USER', 'mute'])
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await eventually('it is well', () => !guard.isImpaired)
  expect(heard).toBe(0)
  expect(logged.filter((line) => line.includes('redis refuses a command'))).toHaveLength(1)
  guard.close()
})

it('a defect of who asks is no outage', async () => {
  const guard = guardFor({ REDIS_URL: redis.url })
  await eventually('it has connected', () => !guard.isImpaired)
  const broken = () => {
    throw new TypeError('x is not a function')
  }
  const rejecting = () => Promise.reject(undefined)
  const noPromise = () => 'x' as unknown as Promise<string>
  for (let i = 0; i < 10; i++) expect(await guard.call('k', broken, () => 'without')).toBe('without')
  expect(await guard.call('k', rejecting, () => 'without')).toBe('without')
  expect(await guard.call('k', noPromise, () => 'without')).toBe('x')
  expect(guard.isImpaired).toBe(false)
  guard.close()
})

it('a process that was busy for longer than the deadline takes the answers that are there', async () => {
  const guard = guardFor({ REDIS_URL: redis.url })
  await eventually('it has connected', () => !guard.isImpaired)
  const answers: unknown[] = []
  for (let round = 0; round < 10; round++) {
    const calls = Array.from({ length: 5 }, () =>
      guard.call<unknown>(
        'k',
        (commands) => commands.incr('busy'),
        () => 'without',
      ),
    )
    await new Promise((resolve) => setImmediate(resolve)) // most of the commands have gone out
    const until = performance.now() + 2 * TIMEOUT_MS
    while (performance.now() < until);
    answers.push(...(await Promise.all(calls)))
  }
  expect(answers.filter((answer) => answer === 'without').length).toBeLessThan(answers.length / 2)
  guard.close()
})
