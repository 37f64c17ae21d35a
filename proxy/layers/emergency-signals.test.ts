import { expect, it, onTestFinished } from 'vitest'
import type { Outcome } from '../outcome.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

/** What is counted of fifty requests that the app fails at, and one that it answers. */
const counted = async (document: Record<string, unknown>): Promise<readonly Outcome[]> => {
  const app = await startUpstream(
    (request, response) => void response.writeHead(request.url === '/bad' ? 500 : 200).end(),
  )
  const outcomes: Outcome[] = []
  const emergencySignals = { count: (outcome: Outcome) => void outcomes.push(outcome) }
  const proxy = await startProxy(app.url, {}, new TestPolicies(document), { emergencySignals })
  onTestFinished(async () => {
    await proxy.close()
    await app.close()
  })
  for (const path of ['/good', ...Array(50).fill('/bad')]) await (await fetch(`${proxy.origin}${path}`)).text()
  return outcomes
}

it('failures of an app whose circuit is open tell of no emergency', async () => {
  const statuses = (await counted({ breaker: { consecutiveFailures: 10 } })).map(({ status }) => status)
  expect(statuses).toEqual([200, ...Array(9).fill(500)]) // the tenth has opened it
})

it('those of an operation that no circuit watches do', async () => {
  expect(await counted({ operations: { read: { breaker: false } } })).toHaveLength(51)
})
