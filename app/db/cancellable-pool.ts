import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

/** Between two attempts: a statement that was on its way as it was cancelled is not. */
const CANCEL_EVERY_MS = 50

/** Work that has been told to end has so long to do so; it takes longer where the server does not answer, or no connection is free. */
const END_WITHIN_MS = 250

type Connected = (error: Error | undefined, client: pg.PoolClient | undefined, release: () => void) => void

/** So often the server is asked to end a backend: then its statement's time limit counts, and the number may be another's one day. */
const TERMINATE_ATTEMPTS = 3

/** Has the server end what this backend runs, if it runs a statement, or the backend itself. */
export type EndOnServer = (what: 'statement' | 'backend', processId: number) => Promise<unknown>

/** The signal of the work that is going on: Prisma takes its connections by `connect`, and knows of no signal. */
const working = new AsyncLocalStorage<AbortSignal>()

/**
 * A pool in which work can be given up: the server ends what it runs for it, and its connections are lent to others only
 * once no cancelling is on its way, which would hit their queries. A transaction loses its connection: between its
 * statements there is nothing to cancel, and short ones would pass by the attempts, up to the commit.
 */
export class CancellablePool extends pg.Pool {
  readonly #endOnServer: EndOnServer

  constructor(config: pg.PoolConfig, endOnServer: EndOnServer) {
    super(config)
    this.#endOnServer = endOnServer
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
      // Who asks so keeps it for several statements; the pool itself asks by callback, for each statement.
      const connecting = super.connect()
      return signal === undefined ? connecting : connecting.then((client) => this.#lendForTransaction(client, signal))
    }
    super.connect((error, client, release) => {
      if (client === undefined || signal === undefined) {
        callback(error, client, release)
        return
      }
      try {
        const lent = this.#lendForStatement(client, signal)
        callback(undefined, lent, lent.release)
      } catch (reason) {
        callback(reason as Error, undefined, () => undefined)
      }
    })
    return undefined
  }

  /** @throws the signal's reason, where it has aborted */
  #lendForStatement(client: pg.PoolClient, signal: AbortSignal): pg.PoolClient {
    const release = releaseOf(client, signal)
    let isReleased = false
    let cancelling: Promise<boolean> | undefined
    const onAbort = () => {
      cancelling = this.#cancelUntil(client, () => isReleased)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    client.release = (error) => {
      isReleased = true
      signal.removeEventListener('abort', onAbort)
      if (cancelling === undefined) release(error)
      else void cancelling.then((isOver) => release(error ?? !isOver))
    }
    return client
  }

  /** @throws the signal's reason, where it has aborted */
  #lendForTransaction(client: pg.PoolClient, signal: AbortSignal): pg.PoolClient {
    const release = releaseOf(client, signal)
    let isReleased = false
    const releaseOnce = (error?: Error | boolean) => {
      if (isReleased) return
      isReleased = true
      signal.removeEventListener('abort', onAbort)
      release(error)
    }
    const onAbort = () => {
      releaseOnce(true) // from here on nothing more can be said on it: the server rolls back when it notices
      void this.#terminate(client)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    client.release = releaseOnce
    return client
  }

  /** @returns whether no attempt is left that may hit what the connection is used for next */
  async #cancelUntil(client: pg.PoolClient, isReleased: () => boolean): Promise<boolean> {
    let isOver = true
    while (!isReleased()) {
      // A server that does not answer ends the statement itself, at its own time limit. The attempt may reach it yet.
      if (!(await this.#isAnswered('statement', client))) isOver = false
      if (!isReleased()) await delay(CANCEL_EVERY_MS)
    }
    return isOver
  }

  /** A backend notices that its client is gone only when its statement is over. */
  async #terminate(client: pg.PoolClient): Promise<void> {
    for (let attempt = 0; attempt < TERMINATE_ATTEMPTS; attempt++) {
      if (await this.#isAnswered('backend', client)) return
    }
  }

  #isAnswered(what: 'statement' | 'backend', client: pg.PoolClient): Promise<boolean> {
    return this.#endOnServer(what, processIdOf(client)).then(
      () => true,
      () => false,
    )
  }
}

/** @throws the signal's reason, where it has aborted: work that waited for a connection has no more use for it */
const releaseOf = (client: pg.PoolClient, signal: AbortSignal): pg.PoolClient['release'] => {
  const release = client.release
  if (!signal.aborted) return release
  release()
  throw signal.reason
}

/** Of the backend that serves it, by the protocol's BackendKeyData; the driver's types leave it out. */
const processIdOf = (client: pg.PoolClient): number =>
  (client as pg.PoolClient & { readonly processID: number }).processID
