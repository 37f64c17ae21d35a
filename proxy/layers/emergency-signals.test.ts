import { expect, it, onTestFinished } from 'vitest'
import type { Outcome } from '../outcome.ts'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy } from '../testing/start-proxy.ts'
import { startUpstream } from '../testing/start-upstream.ts'

/** Of a request that the app answers and fifty that it fails at, what is told, and whether it is given a rest then. */
const told = async (
  document: Record<string, unknown>,
): Promise<readonly [status: number, isAppGivenRest: boolean][]> => {
  const app = await startUpstream(
    (request, response) => void response.writeHead(request.url === '/bad' ? 500 : 200).end(),
  )
  const counts: [number, boolean][] = []
  const emergencySignals = {
    count: ({ status }: Outcome, isAppGivenRest: boolean) => void counts.push([status, isAppGivenRest]),
  }
  const proxy = await startProxy(app.url, {}, new TestPolicies(document), { emergencySignals })
  onTestFinished(async () => {
    await proxy.close()
    await app.close()
  })
  for (const path of ['/good', ...Array(50).fill('/bad')]) await (await fetch(`${proxy.origin}${path}`)).text()
  return counts
}

it('the signals are told whether the app is given a rest', async () => {
  expect(await told({ breaker: { consecutiveFailures: 10 } })).toEqual([
    [200, false],
    ...Array(9).fill([500, false]),
    [500, true], // it has opened the circuit
    ...Array(40).fill([503, true]),
  ])
})

it('an operation that no circuit watches is given none', async () => {
  const counts = await told({ operations: { read: { breaker: false } } })
  expect(counts).toEqual([[200, false], ...Array(50).fill([500, false])])
})
