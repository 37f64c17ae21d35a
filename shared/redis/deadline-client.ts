import type { RedisClient, RedisCommands } from './client.ts'
import { isOutage } from './outage.ts'

export type Outcome<Answer> =
  | { readonly result: 'answered'; readonly answer: Answer }
  /** `refused`: understood and refused, or a defect of who asked; the others: not asked, or not answered. */
  | { readonly result: 'timeout' | 'unreachable' | 'refused'; readonly error: Error }

/** A timer that fires late by so much tells of a process that was busy, and not of a server that is slow. */
const BUSY_MS = 10
/** What it gets then. */
const GRACE_MS = 10

/** A client whose every answer comes by a deadline, or does not count. */
export class DeadlineClient {
  readonly client: RedisClient
  readonly #timeoutMs: number
  #underWay = 0
  #reconnects = 0
  #lastConnectionError: string | undefined

  constructor(client: RedisClient, timeoutMs: number) {
    this.client = client
    this.#timeoutMs = timeoutMs
    client.on('error', (error: Error) => {
      this.#lastConnectionError = error.message
    })
    client.on('reconnecting', () => this.#reconnects++)
  }

  /** Questions that have no answer yet, also those that nobody waits for any more. */
  get underWay(): number {
    return this.#underWay
  }

  get reconnects(): number {
    return this.#reconnects
  }

  /** Never rejects. */
  ask<Answer>(send: (redis: RedisCommands) => Promise<Answer>): Promise<Outcome<Answer>> {
    this.#underWay++
    return new Promise((resolve) => {
      const settle = (outcome: Outcome<Answer>) => {
        clearTimeout(timer)
        resolve(outcome)
      }
      const giveUp = () => settle({ result: 'timeout', error: new Error(`no answer within ${this.#timeoutMs} ms`) })
      const dueMs = performance.now() + this.#timeoutMs
      const onDue = () => {
        // A process that was busy looks at its timers before it reads: the answer may be there, or the question not gone.
        if (performance.now() - dueMs > BUSY_MS) timer = setTimeout(giveUp, GRACE_MS)
        else giveUp()
      }
      let timer = setTimeout(onDue, this.#timeoutMs)
      new Promise<Answer>((answered) => answered(send(this.client)))
        .then(
          (answer) => settle({ result: 'answered', answer }),
          (reason: unknown) => {
            const error = reason instanceof Error ? reason : new Error(String(reason))
            settle({ result: isOutage(error) ? 'unreachable' : 'refused', error })
          },
        )
        .finally(() => this.#underWay--)
    })
  }

  /** A closed connection says nothing of why; the error that it was closed by does. */
  causeOf({ message }: Error): string {
    return /Stream isn't writeable|Connection is closed|Cluster isn't ready/.test(message)
      ? (this.#lastConnectionError ?? 'not connected')
      : message
  }
}
