import type { RedisClient, RedisCommands } from './client.ts'
import { isOutage } from './outage.ts'

export type Outcome<Answer> =
  | { readonly result: 'answered'; readonly answer: Answer }
  /** `refused`: understood and refused, or a defect of who asked; the others: not asked, or not answered. */
  | { readonly result: 'timeout' | 'unreachable' | 'refused'; readonly error: Error }

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
      // A process that was busy looks at its timers first: the answer may be there already, and is read before this.
      const timer = setTimeout(() => setImmediate(giveUp), this.#timeoutMs)
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
