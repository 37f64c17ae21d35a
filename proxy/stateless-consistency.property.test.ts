import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { RedisGuard } from '#shared/redis.ts'
import { connectedGuard, singleTarget } from '#shared/testing/redis-guards.ts'
import { RedisProcess } from '#shared/testing/redis-process.ts'
import { freePort } from '../deploy/local/ports.ts'
import { TestPolicies } from './testing/policies.ts'
import { policyFile } from './testing/policy-file.ts'
import { startProxyProcess } from './testing/proxy-process.ts'
import { startProxy, type TestProxy } from './testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from './testing/start-upstream.ts'

const BURST = 5
const KEYS = ['a', 'b'] as const
/** Nothing comes back while a test runs. */
const A_DAY = { requests: BURST, perSeconds: 86_400, key: { by: 'header', name: 'X-Api-Key' } }
/** No call is given up by a busy machine: an answer that is late is another property's matter. */
const PATIENT_MS = 20_000

const POLICY = {
  routes: {
    exact: { match: { path: '/exact/*' }, limits: ['exact'] },
    merged: { match: { path: '/merged/*' }, limits: ['merged'] },
  },
  limits: { exact: { ...A_DAY, exact: true }, merged: A_DAY },
}

let redis: RedisProcess
let app: TestUpstream
beforeAll(async () => {
  redis = await new RedisProcess(await freePort()).start()
  app = await startUpstream((request, response) => {
    response.end(`this is ${request.url}`)
  })
})
afterAll(async () => {
  await app.close()
  await redis.close()
})

/** What a client sees of a reply, but for times. */
interface Observed {
  readonly status: number
  readonly body: string
  readonly policy: string | null
  readonly left: string | undefined
}

const ask = async (origin: string, path: string, key: string): Promise<Observed> => {
  const reply = await fetch(`${origin}${path}`, { headers: { 'X-Api-Key': key } })
  const body = await reply.text()
  return {
    status: reply.status,
    body: reply.status === 200 ? body : (JSON.parse(body) as { readonly title: string }).title,
    policy: reply.headers.get('ratelimit-policy'),
    left: /r=(\d+)/.exec(reply.headers.get('ratelimit') ?? '')?.[1],
  }
}

class Instance {
  readonly guard: RedisGuard
  readonly proxy: TestProxy
  /** Admitted by the merged limit since it last heard of the fleet, by key; and the most that ever were. */
  readonly unheard: Record<string, number> = {}
  readonly mostUnheard: Record<string, number> = {}

  constructor(guard: RedisGuard, proxy: TestProxy) {
    this.guard = guard
    this.proxy = proxy
  }

  static async start(service: string, size: number): Promise<Instance> {
    const guard = await connectedGuard(singleTarget(redis.port), service, PATIENT_MS)
    const proxy = await startProxy(app.url, {}, new TestPolicies(POLICY), { redis: guard, fleet: { size } })
    return new Instance(guard, proxy)
  }

  admitted(key: string): void {
    this.unheard[key] = (this.unheard[key] ?? 0) + 1
    this.mostUnheard[key] = Math.max(this.mostUnheard[key] ?? 0, this.unheard[key])
  }

  /** It tells nobody anything before it ends. */
  async crash(): Promise<void> {
    this.guard.close()
    await this.proxy.close()
  }

  async close(): Promise<void> {
    await this.proxy.close()
    this.guard.close()
  }
}

const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      by: fc.nat(9),
      route: fc.constantFrom('exact', 'merged', 'free'),
      key: fc.constantFrom(...KEYS),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('hear' as const), by: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'replace' as const), by: fc.nat(9) }) },
)

let runs = 0

describe('Property 1: Stateless Consistency', () => {
  it('what clients see of any number of instances, whichever they reach and whichever end, is what they see of one', async () => {
    let overs = 0
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }),
      async (size, steps) => {
        const service = `consistency-${runs++}`
        const reference = await Instance.start(`${service}-reference`, 1)
        const instances = await Promise.all(Array.from({ length: size }, () => Instance.start(service, size)))
        /** By the merged limit, by key: admitted, and what those who have crashed may have hidden. */
        const admitted: Record<string, number> = { a: 0, b: 0 }
        const hidden: Record<string, number> = { a: 0, b: 0 }
        try {
          for (const [index, one] of steps.entries()) {
            const instance = instances[one.by % size] as Instance
            switch (one.do) {
              case 'ask': {
                const { key } = one
                const path = `/${one.route}/${index}`
                const [seen, expected] = await Promise.all([
                  ask(instance.proxy.origin, path, key),
                  ask(reference.proxy.origin, path, key),
                ])
                if (one.route !== 'merged') {
                  expect(seen).toEqual(expected)
                  break
                }
                const before = admitted[key] as number
                if (seen.status === 200) {
                  admitted[key] = before + 1
                  instance.admitted(key)
                  expect(seen).toMatchObject({ body: `this is ${path}`, policy: expected.policy })
                } else {
                  // Nobody is refused what the one instance would admit, and with the same words.
                  expect(before).toBeGreaterThanOrEqual(BURST)
                  expect(seen).toEqual(expected)
                }
                break
              }
              case 'hear':
                await instance.proxy.limits.flush()
                for (const key of KEYS) instance.unheard[key] = 0
                break
              case 'replace':
              case 'crash':
                for (const key of KEYS) hidden[key] = (hidden[key] as number) + (instance.mostUnheard[key] ?? 0)
                await (one.do === 'crash' ? instance.crash() : instance.close())
                instances[one.by % size] = await Instance.start(service, size)
            }
            for (const key of KEYS) {
              const bound = instances.reduce(
                (sum, { mostUnheard }) => sum + (mostUnheard[key] ?? 0),
                hidden[key] as number,
              )
              if ((admitted[key] as number) > BURST) overs++
              expect(admitted[key]).toBeLessThanOrEqual(BURST + bound)
            }
          }
        } finally {
          for (const instance of [reference, ...instances]) await instance.close()
        }
      },
    )
    await fc.assert(property, { numRuns: 25, endOnFailure: true })
    expect(overs).toBeGreaterThan(0) // there is something to bound
  }, 240_000)

  it('a proxy that is killed between requests takes nothing of what is exact with it', async () => {
    const environment = {
      REDIS_URL: redis.url,
      REDIS_TIMEOUT_MS: '5000',
      POLICY_FILE: await policyFile(JSON.stringify(POLICY)),
      SIDEGATE_SERVICE: 'consistency-processes',
    }
    const start = async () => {
      const proxy = await startProxyProcess(app.url, environment)
      onTestFinished(async () => {
        proxy.child.process.kill('SIGKILL')
        await proxy.child.exited()
      })
      return proxy
    }
    const [first, second] = [await start(), await start()]
    const statuses: number[] = []
    for (let request = 0; request < 3; request++) {
      statuses.push(
        (await ask(first.origin, '/exact/1', 'a')).status,
        (await ask(second.origin, '/free/1', 'a')).status,
      )
    }
    first.child.process.kill('SIGKILL')
    await first.child.exited()
    const third = await start()
    for (const { origin } of [second, third, second, third]) statuses.push((await ask(origin, '/exact/2', 'a')).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 429, 429])
  })
})
