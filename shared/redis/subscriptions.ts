import { Cluster } from 'ioredis'
import type { RedisClient } from './client.ts'

/** How often it is made sure that the connection is alive: one that only listens would not notice. */
const PING_INTERVAL_MS = 5_000

type Listener = () => void

/**
 * Channels that are listened to, on a connection of their own, which is opened for the first of them. Listeners are told
 * that there was a message, and, after each connecting, that there may have been one.
 */
export class Subscriptions {
  readonly #open: () => RedisClient
  readonly #listeners = new Map<string, Listener[]>()
  #client: RedisClient | undefined
  #ping: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(open: () => RedisClient) {
    this.#open = open
  }

  /** @returns what ends it */
  add(channel: string, listener: Listener): () => void {
    if (this.#isClosed) return () => undefined
    this.#client ??= this.#connect()
    const listeners = this.#listeners.get(channel) ?? []
    this.#listeners.set(channel, [...listeners, listener])
    if (listeners.length === 0 && this.#client.status === 'ready') this.#subscribe(this.#client, [channel])
    return () => {
      this.#listeners.set(
        channel,
        (this.#listeners.get(channel) ?? []).filter((other) => other !== listener),
      )
    }
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#ping)
    this.#client?.disconnect()
  }

  #connect(): RedisClient {
    const client = this.#open()
    client.on('error', () => undefined) // the same as that of the calls, which is told of
    client.on('message', (channel: string) => this.#tell([channel]))
    client.on('ready', () => this.#subscribe(client, [...this.#listeners.keys()]))
    this.#ping = setInterval(() => {
      if (!(client instanceof Cluster) && client.status === 'ready') client.ping().catch(() => client.disconnect(true))
    }, PING_INTERVAL_MS)
    this.#ping.unref()
    return client
  }

  #subscribe(client: RedisClient, channels: readonly string[]): void {
    client.subscribe(...channels).then(
      () => this.#tell(channels),
      () => {
        if (!this.#isClosed && client.status === 'ready') client.disconnect(true)
      },
    )
  }

  #tell(channels: readonly string[]): void {
    for (const channel of channels) for (const listener of this.#listeners.get(channel) ?? []) listener()
  }
}
