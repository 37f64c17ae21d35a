import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

/** Between two attempts: a statement that was on its way as it was cancelled is not, and another may follow in its transaction. */
const CANCEL_EVERY_MS = 50

/** Work that has been told to end has so long to do so; it takes longer where the server does not answer, or no connection is free. */
const END_WITHIN_MS = 250

type Connected = (error: Error | undefined, client: pg.PoolClient | undefined, release: () => void) => void

/** Ends the statement that this backend of the server runs, if it runs one. */
export type Cancel = (processId: number) => Promise<unknown>

/** The signal of the work that is going on: Prisma takes its connections by `connect`, and knows of no signal. */
const working = new AsyncLocalStorage<AbortSignal>()

/**
 * A pool in which work can be given up: the server ends what it runs for it, and its connections are lent to others only
 * once no cancelling is on its way, which would hit their queries.
 */
export class CancellablePool extends pg.Pool {
  readonly #cancel: Cancel

  constructor(config: pg.PoolConfig, cancel: Cancel) {
    super(config)
    this.#cancel = cancel
  }

  /** Does the work; its queries are cancelled when the signal aborts. @throws the signal's reason, then and afterwards */
  async until<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    let timer: NodeJS.Timeout | undefined
    const onAbort = () => {
      timer = setTimeout(() => reject(signal.reason), END_WITHIN_MS)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      // Awaited within: what Prisma gives begins only then.
      return await Promise.race([working.run(signal, async () => await work()), givenUp])
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      signal.removeEventListener('abort', onAbort)
      clearTimeout(timer)
    }
  }

  override connect(): Promise<pg.PoolClient>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    const signal = working.getStore()
    if (callback === undefined) {
      const connecting = super.connect()
      return signal === undefined ? connecting : connecting.then((client) => this.#lend(client, signal))
    }
    super.connect((error, client, release) => {
      if (client === undefined || signal === undefined) {
        callback(error, client, release)
        return
      }
      try {
        const lent = this.#lend(client, signal)
        callback(undefined, lent, lent.release)
      } catch (reason) {
        callback(reason as Error, undefined, () => undefined)
      }
    })
    return undefined
  }

  /** @throws the signal's reason, where it has aborted: work that waited for a connection has no more use for it */
  #lend(client: pg.PoolClient, signal: AbortSignal): pg.PoolClient {
    const release = client.release
    if (signal.aborted) {
      release()
      throw signal.reason
    }
    let isReleased = false
    let cancelling: Promise<void> | undefined
    const onAbort = () => {
      cancelling = this.#cancelUntil(client, () => isReleased)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    client.release = (error) => {
      isReleased = true
      signal.removeEventListener('abort', onAbort)
      if (cancelling === undefined) release(error)
      else void cancelling.then(() => release(error))
    }
    return client
  }

  async #cancelUntil(client: pg.PoolClient, isReleased: () => boolean): Promise<void> {
    while (!isReleased()) {
      // A server that does not answer ends the statement itself, at its own time limit.
      await this.#cancel(processIdOf(client)).catch(() => undefined)
      if (!isReleased()) await delay(CANCEL_EVERY_MS)
    }
  }
}

/** Of the backend that serves it, by the protocol's BackendKeyData; the driver's types leave it out. */
const processIdOf = (client: pg.PoolClient): number =>
  (client as pg.PoolClient & { readonly processID: number }).processID
