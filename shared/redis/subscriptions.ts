import { Cluster } from 'ioredis'
import type { RedisClient } from './client.ts'
import { isOutage } from './outage.ts'

/** How often it is made sure that the connection is alive: one that only listens would not notice. */
const PING_INTERVAL_MS = 5_000
const RETRY_DELAY_MS = 2_000

type Listener = () => void

/**
 * Channels that are listened to, on a connection of their own, which is opened for the first of them. Listeners are told
 * that there was a message, and, after each connecting, that there may have been one.
 */
export class Subscriptions {
  readonly #open: () => RedisClient
  readonly #onRefused: (channels: readonly string[], error: Error) => void
  readonly #listeners = new Map<string, Listener[]>()
  #client: RedisClient | undefined
  #ping: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param onRefused is told what could not be listened to, which is tried again */
  constructor(open: () => RedisClient, onRefused: (channels: readonly string[], error: Error) => void) {
    this.#open = open
    this.#onRefused = onRefused
  }

  /** @returns what ends it */
  add(channel: string, listener: Listener): () => void {
    if (this.#isClosed) return () => undefined
    this.#client ??= this.#connect()
    const listeners = this.#listeners.get(channel) ?? []
    this.#listeners.set(channel, [...listeners, listener])
    if (listeners.length === 0 && this.#client.status === 'ready') this.#subscribe(this.#client, [channel])
    return () => {
      const others = (this.#listeners.get(channel) ?? []).filter((other) => other !== listener)
      if (others.length > 0) {
        this.#listeners.set(channel, others)
        return
      }
      this.#listeners.delete(channel)
      // Where it fails, messages come that nobody listens to.
      this.#client?.unsubscribe(channel).catch(() => undefined)
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
    if (channels.length === 0) return
    client.subscribe(...channels).then(
      () => this.#tell(channels),
      (error: Error) => {
        if (this.#isClosed || client.status !== 'ready') return // subscribed to when it is ready again
        if (!isOutage(error)) this.#onRefused(channels, error)
        setTimeout(() => {
          if (!this.#isClosed && client.status === 'ready') this.#subscribe(client, channels)
        }, RETRY_DELAY_MS).unref()
      },
    )
  }

  #tell(channels: readonly string[]): void {
    for (const channel of channels) for (const listener of this.#listeners.get(channel) ?? []) listener()
  }
}
