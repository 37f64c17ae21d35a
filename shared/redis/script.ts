import { createHash } from 'node:crypto'
import type { ChainableCommander } from 'ioredis'
import type { RedisCommands } from './client.ts'

/** A piece of Lua: `now` is the server's own time from here on, in whole milliseconds. */
export const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/** A Lua script, which Redis runs as one command. Its keys must be on one shard. */
export class Script {
  readonly #text: string
  readonly #digest: string

  constructor(text: string) {
    this.#text = text
    this.#digest = createHash('sha1').update(text).digest('hex')
  }

  /** Runs it; a server that does not know it yet is told its text. */
  async run(
    redis: RedisCommands,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    try {
      return await redis.evalsha(this.#digest, keys.length, ...keys, ...args)
    } catch (error) {
      if (!isUnknownScript(error)) throw error
      return redis.eval(this.#text, keys.length, ...keys, ...args)
    }
  }

  /** Adds a run of it to a pipeline; for an {@link isUnknownScript} among the answers, {@link run} one of them. */
  addTo(pipeline: ChainableCommander, keys: readonly string[], args: readonly (string | number)[]): void {
    pipeline.evalsha(this.#digest, keys.length, ...keys, ...args)
  }
}

export const isUnknownScript = (error: unknown): boolean =>
  error instanceof Error && error.message.startsWith('NOSCRIPT')
