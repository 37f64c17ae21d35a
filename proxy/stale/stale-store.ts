import { joinedFieldValue } from '../headers.ts'
import type { KeptReply } from './kept-reply.ts'
import type { StaleCause } from './served-reply.ts'

/** Of one address: by language, encoding and the like. */
const VARIANTS_LIMIT = 8
/** What a reply takes beside its body and its fields, about. */
const OVERHEAD_BYTES = 500

/** All that is kept of one address. */
export interface Kept {
  /** The latest first. Belongs to the store. */
  replies: readonly KeptReply[]
  /** Whether the app has failed at it and not answered since: then one request at a time tries it. */
  isTroubled: boolean
  isTried: boolean
}

/** Is told of addresses. */
interface StoreWatcher {
  /** There is another reply. */
  kept(key: string): void
  /** What there was may not be served any more; a purge aside. */
  dropped(key: string): void
}

/**
 * The last good replies of the app, in bounded memory: two generations, of which the older is dropped whole. What is asked for
 * moves to the younger one, so that at least the half of the bytes that was asked for last is there.
 */
export class StaleStore {
  #current = new Map<string, Kept>()
  #previous = new Map<string, Kept>()
  #currentBytes = 0
  #previousBytes = 0
  #bytesLimit = 0
  /** Bytes of replies that are on their way to be kept. */
  readonly underWay = { bytes: 0 }
  /** How many replies have been served out of it, by why. */
  readonly served = new Map<StaleCause, number>()
  watcher: StoreWatcher | undefined

  get bytes(): number {
    return this.#currentBytes + this.#previousBytes
  }

  /** How many addresses. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  /** For who does not serve it: it stays where it is. */
  peek(key: string): Kept | undefined {
    return this.#current.get(key) ?? this.#previous.get(key)
  }

  get(key: string): Kept | undefined {
    const kept = this.#current.get(key)
    if (kept !== undefined) return kept
    const older = this.#previous.get(key)
    if (older === undefined) return undefined
    this.#previous.delete(key)
    this.#current.set(key, older)
    const bytes = bytesOf(key, older)
    this.#previousBytes -= bytes
    this.#add(key, older, bytes)
    return older
  }

  /** Takes the place of what was chosen by the same fields. One that is larger than an eighth of all is not kept. */
  put(key: string, reply: KeptReply, bytesLimit: number): void {
    this.#bytesLimit = bytesLimit
    if (bytesOfReply(reply) > bytesLimit >> 3) return
    const kept = this.get(key) ?? { replies: [], isTroubled: false, isTried: false }
    const others = kept.replies.filter((other) => !isSameVariant(other, reply))
    // What came sooner and ended later is not the last one.
    if (kept.replies.some((other) => !others.includes(other) && other.receivedAtMs > reply.receivedAtMs)) return
    this.#remove(key)
    const replies = [reply, ...others.slice(0, VARIANTS_LIMIT - 1)]
    while (bytesOf(key, { ...kept, replies }) > bytesLimit >> 1) replies.pop()
    kept.replies = replies
    this.#add(key, kept, bytesOf(key, kept))
    this.watcher?.kept(key)
  }

  /** Drops all that is kept of an address. */
  drop(key: string): void {
    this.#remove(key)
    this.watcher?.dropped(key)
  }

  /** Drops one reply: the app has said since that there is none to be kept any more. */
  forget(key: string, reply: KeptReply): void {
    const kept = this.peek(key)
    if (kept === undefined || !kept.replies.includes(reply)) return
    this.drop(key)
    kept.replies = kept.replies.filter((other) => other !== reply)
    if (kept.replies.length === 0) return
    this.#add(key, kept, bytesOf(key, kept))
    this.watcher?.kept(key)
  }

  /** Drops the replies that are not to be served any more. @returns how many */
  purge(isPurged: (reply: KeptReply) => boolean): number {
    let purged = 0
    for (const [key, kept] of [...this.#previous, ...this.#current]) {
      const replies = kept.replies.filter((reply) => !isPurged(reply))
      if (replies.length === kept.replies.length) continue
      purged += kept.replies.length - replies.length
      this.#remove(key)
      kept.replies = replies
      if (replies.length > 0) this.#add(key, kept, bytesOf(key, kept))
    }
    return purged
  }

  #remove(key: string): void {
    const current = this.#current.get(key)
    if (current !== undefined) {
      this.#currentBytes -= bytesOf(key, current)
      this.#current.delete(key)
    }
    const previous = this.#previous.get(key)
    if (previous === undefined) return
    this.#previousBytes -= bytesOf(key, previous)
    this.#previous.delete(key)
  }

  #add(key: string, kept: Kept, bytes: number): void {
    if (this.#currentBytes + bytes > this.#bytesLimit >> 1) {
      this.#previous = this.#current
      this.#previousBytes = this.#currentBytes
      this.#current = new Map()
      this.#currentBytes = 0
    }
    this.#current.set(key, kept)
    this.#currentBytes += bytes
  }
}

/** The reply that the app would have chosen for a request (RFC 9111 §4.1); undefined where none is known. */
export const variantFor = ({ replies }: Kept, requestHeaders: readonly string[]): KeptReply | undefined =>
  replies.find(({ vary }) =>
    vary.every(({ lowerName, value }) => joinedFieldValue(requestHeaders, lowerName) === value),
  )

const isSameVariant = (one: KeptReply, other: KeptReply): boolean =>
  one.vary.length === other.vary.length &&
  one.vary.every(
    ({ lowerName, value }, at) => lowerName === other.vary[at]?.lowerName && value === other.vary[at]?.value,
  )

const bytesOf = (key: string, { replies }: Kept): number => {
  let bytes = key.length
  for (const reply of replies) bytes += bytesOfReply(reply)
  return bytes
}

const bytesOfReply = ({ body, headers, tags, vary }: KeptReply): number => {
  let bytes = OVERHEAD_BYTES + body.length
  for (const text of headers) bytes += text.length
  for (const tag of tags) bytes += tag.length
  for (const { value } of vary) bytes += value.length
  return bytes
}
