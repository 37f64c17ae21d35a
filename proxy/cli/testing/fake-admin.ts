import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { type CliRun, runCli, TEST_TOKEN } from './run-cli.ts'

/** What a command has asked, in a form that a test reads at a glance. */
interface SeenCall {
  readonly call: string
  readonly body: string
  readonly contentType: string | undefined
  readonly ifMatch: string | undefined
}

export interface FakeAdmin {
  readonly url: string
  readonly seen: readonly SeenCall[]
  run(args: readonly string[], environment?: Readonly<Record<string, string>>, input?: string): Promise<CliRun>
}

export type Answer = (response: ServerResponse, request: IncomingMessage) => unknown

/** Answers by "METHOD /path?query", and 500 to what is not foreseen, or comes without the token. Ends with the test that started it. */
export const startFakeAdmin = async (answers: Readonly<Record<string, Answer>>): Promise<FakeAdmin> => {
  const seen: SeenCall[] = []
  const server = createServer(async (request, response) => {
    const call = `${request.method} ${request.url}`
    const { 'content-type': contentType, 'if-match': ifMatch, authorization } = request.headers
    seen.push({ call, body: await text(request), contentType, ifMatch })
    const answer = authorization === `Bearer ${TEST_TOKEN}` ? answers[call] : undefined
    if (answer === undefined) response.writeHead(500).end(`no answer is foreseen to ${call}`)
    else await answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    seen,
    run: (args, environment = {}, input = '') =>
      runCli(args, { environment: { SIDEGATE_ADMIN_URL: url, ...environment }, input }),
  }
}

export const json =
  (status: number, body: unknown): Answer =>
  (response) =>
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
