import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

export interface TestWebhook {
  /** With a path that is a secret. */
  readonly url: string
  readonly host: string
  /** What it has been sent, whatever it answered. */
  // biome-ignore lint/suspicious/noExplicitAny: what it is, is what the test looks at
  readonly seen: any[]
  /** What it answers from now on; `hangs` for nothing. */
  answer: number | 'hangs'
}

/** Of whose URL nothing must be seen but the host. */
export const SECRET_PATH = '/services/T0/secret-of-the-webhook'

/** A webhook that ends with the test that started it. It says what was asked for, as pages of errors do. */
export const startWebhook = async (answer: TestWebhook['answer'] = 200): Promise<TestWebhook> => {
  const server = createServer(async (request, response) => {
    if (request.url !== SECRET_PATH || request.headers['content-type'] !== 'application/json')
      throw new Error('bad call')
    webhook.seen.push(JSON.parse(await text(request)))
    if (webhook.answer !== 'hangs') response.writeHead(webhook.answer).end(`Cannot ${request.method} ${request.url}`)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const webhook: TestWebhook = { url: `http://${host}${SECRET_PATH}`, host, seen: [], answer }
  return webhook
}
