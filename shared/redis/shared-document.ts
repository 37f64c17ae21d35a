import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log.ts'
import type { RedisGuard } from '../redis.ts'
import { Script } from './script.ts'

export interface Version {
  /** From 1 on, without a gap. */
  readonly version: number
  /** What the writer gave. */
  readonly body: string
}

/** What became of a proposal. */
export type Proposal =
  | { readonly kind: 'accepted'; readonly version: number }
  /** Another writer was first; `current` is what it has written. */
  | { readonly kind: 'conflict'; readonly current: Version | undefined }
  /** Redis could not be asked: it may have been written all the same, which {@link SharedDocument.current} will show. */
  | { readonly kind: 'unavailable' }
  /** Redis has lost everything, and is waiting for the newest version that any instance has heard of. */
  | { readonly kind: 'settling' }

export interface SharedDocumentSettings {
  /** What it is: part of the key. */
  readonly name: string
  /** How many versions are kept, the current one included. */
  readonly historyLimit: number
  /** How often Redis is asked where it has not told by itself; some instances sooner and some later. */
  readonly pollIntervalMs?: number
}

const POLL_INTERVAL_MS = 5_000
/** Within so many intervals, every instance that lives has polled. */
const SETTLE_POLLS = 1.5

/**
 * KEYS: the document, its history. ARGV: the version it must have, the new body, how many to keep, the channel, the version
 * that who asks has heard of.
 */
const PROPOSE = new Script(`
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local time = redis.call('TIME')
if tonumber(redis.call('HGET', KEYS[1], 'settlesAt') or '0') > tonumber(time[1]) then return {2} end
if version < tonumber(ARGV[5]) then return {3} end
if version ~= tonumber(ARGV[1]) then return {0, version, redis.call('HGET', KEYS[1], 'body')} end
version = version + 1
redis.call('HSET', KEYS[1], 'version', version, 'body', ARGV[2])
redis.call('LPUSH', KEYS[2], version .. ' ' .. ARGV[2])
redis.call('LTRIM', KEYS[2], 0, ARGV[3] - 1)
redis.call('PUBLISH', ARGV[4], version)
return {1, version}
`)

/**
 * KEYS: the document, its history. ARGV: a version, its body, the channel, seconds to settle. Writes it back to a server
 * that has lost it: the greater version stays. Until every instance has asked and, where it knows of a greater one,
 * restored that, nothing new is accepted: it would take a version that there has been.
 */
const RESTORE = new Script(`
if tonumber(redis.call('HGET', KEYS[1], 'version') or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'body', ARGV[2])
redis.call('HSET', KEYS[1], 'settlesAt', redis.call('TIME')[1] + ARGV[4])
redis.call('DEL', KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1
`)

/**
 * KEYS: the document, its history. ARGV: the version that was restored, how long its history is by now, older entries. Goes
 * on with the restoring, unless somebody else does so.
 */
const RESTORE_OLDER = new Script(`
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] or redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[2]) then return 0 end
for i = 3, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
return 1
`)

/** Of the history, in one call: each may be large, and a call has its deadline. */
const CHARACTERS_PER_CALL = 100_000
const ENTRIES_PER_CALL = 10

/** 0 for what is none: somebody else has written there. */
const versionIn = (text: string | null | undefined): number => {
  const version = Number(text ?? 0)
  return Number.isSafeInteger(version) ? version : 0
}

/** Neighbours are about as long as one another. */
const entriesPerCall = (entry: Version | undefined): number =>
  Math.max(1, Math.min(ENTRIES_PER_CALL, Math.floor(CHARACTERS_PER_CALL / (entry?.body.length ?? 1))))

const parseEntry = (entry: string): Version => {
  const space = entry.indexOf(' ')
  return { version: versionIn(entry.slice(0, space)), body: entry.slice(space + 1) }
}

/**
 * A text that the fleet agrees on, such as the policy. Each instance has the newest version that it has heard of in
 * memory, and hears of a new one at once, or, where the message is lost, at the next poll.
 */
export class SharedDocument {
  readonly #redis: RedisGuard
  readonly #settings: SharedDocumentSettings
  readonly #log: Logger
  readonly #onChange: (current: Version) => void
  readonly #stop = new AbortController()
  #current: Version | undefined
  /** Newest first, as Redis has told it last. */
  #history: readonly Version[] = []
  #readingHistory: Promise<void> | undefined
  readonly #endings: (() => void)[] = []

  /** @param onChange is given each version that this instance comes to know, in ascending order; some may be left out */
  constructor(redis: RedisGuard, settings: SharedDocumentSettings, log: Logger, onChange: (current: Version) => void) {
    this.#redis = redis
    this.#settings = settings
    this.#log = log
    this.#onChange = onChange
  }

  get current(): Version | undefined {
    return this.#current
  }

  /** Learns what there is, and goes on learning until it is closed. */
  async open(): Promise<void> {
    this.#endings.push(
      this.#redis.subscribe(this.#channel, () => void this.refresh()),
      this.#redis.onRecovered(() => void this.refresh()),
    )
    await this.refresh()
    void this.#poll()
  }

  close(): void {
    this.#stop.abort()
    for (const end of this.#endings.splice(0)) end()
  }

  /** Writes a new version, if `expected` is still the current one; 0 where there is to be none. */
  async propose(expected: number, body: string): Promise<Proposal> {
    const known = this.#current
    const args = [expected, body, this.#settings.historyLimit, this.#channel, known?.version ?? 0]
    const answer = await this.#redis.call(
      this.#keys[0],
      (commander) => PROPOSE.run(commander, this.#keys, args) as Promise<[number, number?, string?]>,
      () => undefined,
    )
    if (answer === undefined) return { kind: 'unavailable' }
    const [outcome, version = 0, currentBody] = answer
    if (outcome === 3 && known !== undefined) await this.#restore(known)
    if (outcome === 2 || outcome === 3) return { kind: 'settling' }
    if (outcome === 1) {
      this.#history = [{ version, body }, ...this.#history].slice(0, this.#settings.historyLimit)
      this.#learn({ version, body })
      return { kind: 'accepted', version }
    }
    const current = version === 0 ? undefined : { version, body: currentBody ?? '' }
    if (current !== undefined) this.#learn(current)
    return { kind: 'conflict', current }
  }

  /** The versions that are kept, newest first: from Redis, or as they were heard last. */
  async history(): Promise<readonly Version[]> {
    await this.#readHistory()
    return this.#history
  }

  /** Asks Redis for what there is. Never rejects. @returns whether it has answered, and this instance knows by then */
  async refresh(): Promise<boolean> {
    const [key] = this.#keys
    const knownVersion = this.#current?.version ?? 0
    const found = await this.#redis.call(
      key,
      async (commander) => {
        const version = versionIn(await commander.hget(key, 'version'))
        if (version <= knownVersion) return { version, body: undefined }
        const [newest, body] = await commander.hmget(key, 'version', 'body')
        return { version: versionIn(newest), body: body ?? undefined }
      },
      () => undefined,
    )
    if (found === undefined || this.#stop.signal.aborted) return false
    const { version, body } = found
    if (this.#current !== undefined && version < this.#current.version) {
      await this.#restore(this.#current)
      return true
    }
    if (body !== undefined) this.#learn({ version, body })
    // For a Redis that loses everything, and has to be told it again.
    if (this.#history[0]?.version !== this.#current?.version) void this.#readHistory()
    return true
  }

  #readHistory(): Promise<void> {
    this.#readingHistory ??= this.#readHistoryInParts().finally(() => {
      this.#readingHistory = undefined
    })
    return this.#readingHistory
  }

  /** From the newest on, until what follows is known. */
  async #readHistoryInParts(): Promise<void> {
    const [key, historyKey] = this.#keys
    const known = new Map(this.#history.map((entry) => [entry.version, entry]))
    const found: Version[] = []
    let length = entriesPerCall(this.#current)
    for (let start = 0; start < this.#settings.historyLimit; ) {
      const part = await this.#redis.call(
        key,
        (commander) => commander.lrange(historyKey, start, start + length - 1),
        () => undefined,
      )
      if (part === undefined) break // what there is of it by now is better than none
      const entries = part.map(parseEntry)
      found.push(...entries)
      const isKnown = entries.every(({ version, body }) => known.get(version)?.body === body)
      if (isKnown || entries.length < length) break
      start += length
      length = entriesPerCall(entries.at(-1))
    }
    // What was written meanwhile is known already, and has moved the rest on, so that some came twice.
    const all = new Map([...this.#history, ...found].map((entry) => [entry.version, entry]))
    this.#history = [...all.values()]
      .toSorted((some, others) => others.version - some.version)
      .slice(0, this.#settings.historyLimit)
  }

  async #poll(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await delay(this.#pollIntervalMs * (0.75 + Math.random() / 2), undefined, {
          signal: this.#stop.signal,
          ref: false,
        })
      } catch {
        return // closed: the only reason for which this delay rejects
      }
      await this.refresh()
    }
  }

  #learn(found: Version): void {
    if (found.version <= (this.#current?.version ?? 0)) return
    this.#current = found
    try {
      this.#onChange(found)
    } catch (error) {
      this.#log.error(
        { err: error, document: this.#settings.name, version: found.version },
        'a new version was not taken',
      )
    }
  }

  /** Redis has an older one, or none: it has lost what was written. */
  async #restore(current: Version): Promise<void> {
    const older = this.#history.filter(({ version }) => version < current.version)
    const history = [current, ...older].slice(0, this.#settings.historyLimit)
    const settleSeconds = Math.ceil((SETTLE_POLLS * this.#pollIntervalMs) / 1_000)
    const args = [current.version, current.body, this.#channel, settleSeconds]
    const isRestored = await this.#redis.call<unknown>(
      this.#keys[0],
      (commander) => RESTORE.run(commander, this.#keys, args),
      () => 0,
    )
    if (isRestored !== 1) return
    this.#log.warn({ document: this.#settings.name, version: current.version }, 'redis had lost it: written back')
    for (let length = 1; length < history.length; ) {
      const next = history.slice(length, length + entriesPerCall(history[length]))
      const part = next.map(({ version, body }) => `${version} ${body}`)
      const isTaken = await this.#redis.call<unknown>(
        this.#keys[0],
        (commander) => RESTORE_OLDER.run(commander, this.#keys, [current.version, length, ...part]),
        () => 0,
      )
      if (isTaken !== 1) return
      length += next.length
    }
    this.#history = history
  }

  get #pollIntervalMs(): number {
    return this.#settings.pollIntervalMs ?? POLL_INTERVAL_MS
  }

  /** In braces, so that both are on one shard. */
  get #keys(): readonly [string, string] {
    const key = this.#redis.key(`document:{${this.#settings.name}}`)
    return [key, `${key}:history`]
  }

  get #channel(): string {
    return this.#redis.key(`document:${this.#settings.name}:changed`)
  }
}
