import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../app/testing/database.ts'
import { startApp, type TestApp } from '../../app/testing/start-app.ts'
import { startProxy, type TestProxy } from '../../proxy/testing/start-proxy.ts'

/** A proxy with its app behind it. Reads go to the primary: how old a replica may be is another property's matter. */
interface Pod {
  readonly app: TestApp
  readonly proxy: TestProxy
}

const startPod = async ({ primaryUrl }: TestDatabase): Promise<Pod> => {
  const app = await startApp({ primaryUrl })
  return { app, proxy: await startProxy(app.url) }
}

const closePod = async ({ app, proxy }: Pod): Promise<void> => {
  await proxy.close()
  await app.close()
}

let shared: TestDatabase
let alone: TestDatabase
beforeAll(async () => {
  const { primaryUrl, replicaUrl } = { primaryUrl: inject('primaryUrl'), replicaUrl: inject('replicaUrl') }
  shared = await createTestDatabase(primaryUrl, replicaUrl)
  alone = await createTestDatabase(primaryUrl, replicaUrl)
}, 120_000)
afterAll(async () => {
  await shared.drop()
  await alone.drop()
})

interface Asked {
  readonly method: string
  /** Which of the listings that have been made; undefined for all of them. */
  readonly of?: number
  readonly body?: object
}

interface Seen {
  readonly status: number
  readonly type: string | null
  readonly body: unknown
}

/** A client, which names listings by the order in which it has made them. */
class Client {
  readonly #ids: string[] = []

  async ask(pod: Pod, { method, of, body }: Asked): Promise<Seen> {
    const id = of === undefined ? undefined : (this.#ids[of % Math.max(this.#ids.length, 1)] ?? crypto.randomUUID())
    const reply = await fetch(`${pod.proxy.origin}/listings${id === undefined ? '' : `/${id}`}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    })
    const text = await reply.text()
    const { status, headers } = reply
    const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
    if (method === 'POST' && typeof parsed.id === 'string') this.#ids.push(parsed.id)
    return { status, type: headers.get('content-type'), body: this.#known(parsed) }
  }

  /** What is another's each time, is left out. */
  #known({ id, createdAt, updatedAt, correlationId, items, nextCursor, ...rest }: Record<string, unknown>): unknown {
    if (Array.isArray(items)) return { items: items.map((item) => this.#known(item)), more: nextCursor !== null }
    return { ...rest, index: typeof id === 'string' ? this.#ids.indexOf(id) : undefined }
  }
}

const body = fc.record(
  { title: fc.constantFrom('a boat', 'a bicycle', ''), priceCents: fc.integer({ min: -1, max: 5 }) },
  { requiredKeys: ['title'] },
)

const asked: fc.Arbitrary<Asked> = fc.oneof(
  body.map((given) => ({
    method: 'POST',
    body: {
      ...given,
      description: 'as new',
      priceCents: given.priceCents ?? 100,
      currency: 'EUR',
      category: 'vehicles',
      city: 'Ghent',
    },
  })),
  fc.record({ method: fc.constant('PATCH'), of: fc.nat(20), body }),
  fc.record({ method: fc.constantFrom('GET', 'DELETE'), of: fc.nat(20) }),
  fc.constant({ method: 'GET' }),
)

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('ask' as const), by: fc.nat(9), asked }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), by: fc.nat(9) }) },
)

describe('Property 1: Stateless Consistency', () => {
  it('what clients see of many apps, each behind a proxy, is what they see of one, whichever they reach and whichever ends', async () => {
    const reference = await startPod(alone)
    const pods = [await startPod(shared), await startPod(shared), await startPod(shared)]
    const statuses = new Set<number>()
    const [client, beforeOne] = [new Client(), new Client()]
    try {
      const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
        for (const one of steps) {
          const at = one.by % pods.length
          if (one.do === 'restart') {
            await closePod(pods[at] as Pod)
            pods[at] = await startPod(shared)
            continue
          }
          const seen = await client.ask(pods[at] as Pod, one.asked)
          expect(seen).toEqual(await beforeOne.ask(reference, one.asked))
          statuses.add(seen.status)
        }
      })
      await fc.assert(property, { numRuns: 15, endOnFailure: true })
    } finally {
      for (const pod of [reference, ...pods]) await closePod(pod)
    }
    expect([...statuses].toSorted()).toEqual([200, 201, 204, 400, 404])
  }, 240_000)
})
