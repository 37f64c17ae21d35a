import { once } from 'node:events'
import { Readable } from 'node:stream'
import { fastify } from 'fastify'
import { expect, it, onTestFinished } from 'vitest'
import { limitWork } from './request-work.ts'

const DEADLINE = { headers: { 'X-Request-Deadline-Ms': '200' } }

/** An app whose replies are of a type, and go on for as long as the request's work may. */
const streaming = async (type: string): Promise<{ readonly url: string; readonly works: AbortSignal[] }> => {
  const app = fastify()
  const works: AbortSignal[] = []
  app.decorateRequest('work')
  app.addHook('onRequest', (request, reply, done) => {
    limitWork(request, reply)
    done()
  })
  app.get('/', (request, reply) => {
    works.push(request.work)
    const body = new Readable({ read: () => undefined })
    body.push('data: 1\n\n')
    request.work.addEventListener('abort', () => body.push(null))
    return reply.type(type).send(body)
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  return { url, works }
}

it('what a reply is made of ends by its deadline', async () => {
  const { url } = await streaming('text/plain')
  expect(await (await fetch(url, DEADLINE)).text()).toBe('data: 1\n\n')
})

it('server-sent events go on beyond the deadline of their head, until whoever reads them leaves', async () => {
  const { url, works } = await streaming('text/event-stream')
  const leaving = new AbortController()
  await fetch(url, { ...DEADLINE, signal: leaving.signal })
  const [work] = works as [AbortSignal]
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(work.aborted).toBe(false)
  leaving.abort()
  if (!work.aborted) await once(work, 'abort')
})
