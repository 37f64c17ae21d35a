import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from './ports.ts'
import { waitUntilReady } from './readiness.ts'

const never = new AbortController().signal

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/health/ready`
}

test('what is not ready at first is asked again', async () => {
  let asked = 0
  const url = await serve((_request, response) => {
    asked++
    response.statusCode = asked < 3 ? 503 : 200
    response.end()
  })
  await waitUntilReady(url, 20_000, never)
  expect(asked).toBe(3)
})

test('what never gets ready is an error with its last reply, or with why there was none', async () => {
  const url = await serve((_request, response) => {
    response.statusCode = 503
    response.end('{"reasons":["database is down"]}')
  })
  await expect(waitUntilReady(url, 1, never)).rejects.toThrow(/replied 503 .*database is down/)
  const nothing = `http://127.0.0.1:${await freePort()}/`
  await expect(waitUntilReady(nothing, 1, never)).rejects.toThrow(/gave no reply \(connect ECONNREFUSED/)
})

test('waiting ends with the run, even where no reply ever comes', async () => {
  const halt = new AbortController()
  const url = await serve(() => halt.abort(new Error('stopped by SIGINT')))
  await expect(waitUntilReady(url, 60_000, halt.signal)).rejects.toThrow('stopped by SIGINT')
})
