import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DependencyCheck, Health } from './health.ts'

type Behaviour = 'fine' | 'slow' | 'failing' | 'throwing' | 'hung' | 'hung-deaf'

const SLOW_MS = 15
/** Past this a probe counts as failed: far above SLOW_MS, far below the patience of this test. */
const CHECK_TIMEOUT_MS = 200
/**
 * DESIGN §6 asks for 50 ms at p99, which a benchmark may show and a busy test machine may not. Any answer that waited
 * for a hung dependency would take CHECK_TIMEOUT_MS at the least, so the median over many answers tells them apart.
 */
const MEDIAN_BOUND_MS = 50

const probes: Record<Behaviour, DependencyCheck['probe']> = {
  fine: async () => undefined,
  slow: () => new Promise((resolve) => setTimeout(resolve, SLOW_MS)),
  failing: async () => {
    throw new Error('it said no')
  },
  throwing: () => {
    throw new Error('it threw before it had promised anything')
  },
  hung: (signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')))
    }),
  'hung-deaf': () => new Promise(() => undefined),
}

const isWell = (behaviour: Behaviour): boolean => behaviour === 'fine' || behaviour === 'slow'

const dependencies = fc.array(
  fc.record({
    behaviour: fc.constantFrom<Behaviour>('fine', 'slow', 'failing', 'throwing', 'hung', 'hung-deaf'),
    required: fc.boolean(),
  }),
  { maxLength: 6 },
)

const fetchTimed = async (url: string): Promise<{ status: number; body: Record<string, unknown>; tookMs: number }> => {
  const startedAtMs = performance.now()
  const [reply] = (await once(get(url), 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of reply) chunks.push(chunk as Buffer)
  return {
    status: reply.statusCode ?? 0,
    body: JSON.parse(Buffer.concat(chunks).toString()),
    tookMs: performance.now() - startedAtMs,
  }
}

describe('Property 4: Health Check Response Time', () => {
  it('whatever dependencies are hung, slow, failing or fine: answers come at once, and ready says the truth', async () => {
    const tookMs: number[] = []
    await fc.assert(
      fc.asyncProperty(dependencies, async (given) => {
        const health = new Health(
          { id: 'test', process: 'app', version: '0' },
          given.map(({ behaviour, required }, index) => ({
            name: `dependency ${index}`,
            required,
            intervalMs: 5,
            timeoutMs: CHECK_TIMEOUT_MS,
            probe: probes[behaviour],
          })),
        )
        const server = createServer((request, response) => {
          const answer = health.answer(request.url ?? '')
          response.writeHead(answer?.status ?? 404).end(JSON.stringify(answer?.body))
        })
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const ask = async (path: string) => {
          const answer = await fetchTimed(origin + path)
          tookMs.push(answer.tookMs)
          return answer
        }
        try {
          // Before the first probe has ended, nothing is known to be well.
          health.start()
          health.markServing()
          expect((await ask('/health/live')).status).toBe(200)
          const early = await ask('/health/ready')
          if (given.some(({ behaviour, required }) => required && !isWell(behaviour))) expect(early.status).toBe(503)

          // Once each has ended, by its own doing or by its timeout, ready is the truth.
          await expect
            .poll(
              () =>
                (health.report().body.dependencies as { status: string }[]).every(({ status }) => status !== 'unknown'),
              {
                timeout: 20_000,
                interval: 5,
              },
            )
            .toBe(true)
          const isReady = given.every(({ behaviour, required }) => !required || isWell(behaviour))
          const isWhole = given.every(({ behaviour }) => isWell(behaviour))
          const ready = await ask('/health/ready')
          expect(ready.status).toBe(isReady ? 200 : 503)
          expect(ready.body.status).toBe(isReady ? (isWhole ? 'ok' : 'degraded') : 'unavailable')
          expect((await ask('/health/live')).status).toBe(200)
          const report = await ask('/health')
          expect((report.body.dependencies as { status: string }[]).map(({ status }) => status)).toEqual(
            given.map(({ behaviour }) => (isWell(behaviour) ? 'up' : 'down')),
          )

          health.markDraining()
          expect((await ask('/health/ready')).status).toBe(503)
          expect((await ask('/health/live')).status).toBe(200)
        } finally {
          health.stop()
          server.closeAllConnections()
          server.close()
        }
      }),
      { numRuns: 60 },
    )
    const median = tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length / 2)] as number
    expect(median).toBeLessThan(MEDIAN_BOUND_MS)
  }, 120_000)
})
