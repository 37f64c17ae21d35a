import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { TestPolicies } from './testing/policies.ts'
import { startProxy } from './testing/start-proxy.ts'
import { startUpstream } from './testing/start-upstream.ts'

type FetchCleared = (
  url: string,
  options?: RequestInit,
  clearance?: string,
) => Promise<{ readonly reply: Response; readonly clearance: string }>

it('the example of docs/challenge.md gets an API client through, in fifteen lines', async () => {
  const page = await readFile(new URL('../docs/challenge.md', import.meta.url), 'utf8')
  const example = /```js\n(.*?)```/s.exec(page)?.[1] ?? ''
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(15)
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-example-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'example.mjs'), example)
  const { fetchCleared } = (await import(join(folder, 'example.mjs'))) as { fetchCleared: FetchCleared }

  const bodies: string[] = []
  const app = await startUpstream((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += String(piece)
    })
    request.on('end', () => {
      bodies.push(body)
      response.end('the app')
    })
  })
  onTestFinished(() => app.close())
  const proxy = await startProxy(app.url, {}, new TestPolicies({}), { emergency: { state: 'emergency' } })
  onTestFinished(() => proxy.close())

  const order = { method: 'POST', body: 'an order' }
  const first = await fetchCleared(`${proxy.origin}/orders`, order)
  expect([first.reply.status, await first.reply.text()]).toEqual([200, 'the app'])
  const second = await fetchCleared(`${proxy.origin}/orders`, order, first.clearance)
  expect([second.reply.status, second.clearance]).toEqual([200, first.clearance])
  expect(bodies).toEqual(['an order', 'an order'])
  expect(Object.fromEntries(proxy.challenges.counts.entries())).toMatchObject({ asked: 1, solved: 1 })
})
