import { hash } from 'node:crypto'
import { request } from 'node:http'

/** A puzzle of ALTCHA as clients get it. */
export interface TestPuzzle {
  readonly provider: string
  readonly algorithm: string
  readonly challenge: string
  readonly maxnumber: number
  readonly salt: string
  readonly signature: string
  readonly expiresAt: string
  readonly answerTo: string
}

/** What it takes to be let in. */
export const solve = ({ algorithm, challenge, salt, signature, maxnumber }: TestPuzzle): Record<string, unknown> => {
  for (let number = 0; number <= maxnumber; number++) {
    if (hash('sha256', `${salt}${number}`) === challenge) return { algorithm, challenge, number, salt, signature }
  }
  throw new Error('the puzzle has no solution')
}

export interface TestReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** Of JSON. */
  readonly body: Readonly<Record<string, unknown>>
}

export interface Asking {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string
}

/** Asks with exactly these headers: `fetch` would add some of its own. */
export const ask = (url: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<TestReply> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (reply) => {
      let text = ''
      reply.setEncoding('utf8')
      reply.on('data', (piece: string) => {
        text += piece
      })
      reply.on('error', reject)
      reply.on('end', () => {
        const isJson = /json/.test(String(reply.headers['content-type']))
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text, body: isJson ? JSON.parse(text) : {} })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })

/** Sends an answer, as an API client does. */
export const answer = (
  origin: string,
  given: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<TestReply> =>
  ask(`${origin}/__sidegate/challenge`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(given),
  })

/** The puzzle in a refusal, or in the answer to who asks for one. */
export const puzzleIn = ({ body }: TestReply): TestPuzzle => body.challenge as TestPuzzle

/** A clearance, earned. */
export const clearance = async (origin: string, headers: Readonly<Record<string, string>> = {}): Promise<string> => {
  const puzzle = puzzleIn(await ask(`${origin}/__sidegate/challenge`, { headers }))
  const { body, status, text } = await answer(origin, solve(puzzle), headers)
  if (status !== 200) throw new Error(text)
  return body.clearance as string
}
