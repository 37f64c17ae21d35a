import { type PurgeOrder, urlParts } from '../cdn/purge/purge-order.ts'
import type { KeptReply } from './kept-reply.ts'
import type { StaleStore } from './stale-store.ts'

/** Of those that replies on their way are held against. A reply that has been on its way for longer is not kept. */
const REMEMBERED_LIMIT = 1_000

/** What a purge is held against: the address within its host, and tags. */
type Purgeable = Pick<KeptReply, 'pathAndQuery' | 'tags'>

type Matcher = (reply: Purgeable) => boolean

/**
 * The purges that this instance has carried out, one generation each. A reply is of the generation in which its exchange began:
 * whatever is purged before it has come whole purges it as well, so that it cannot fill again what was emptied.
 */
export class AppliedPurges {
  readonly #store: StaleStore
  #generation = 0
  /** The matchers of the last generations, the youngest last. */
  readonly #recent: Matcher[] = []

  constructor(store: StaleStore) {
    this.#store = store
  }

  get generation(): number {
    return this.#generation
  }

  /** Nothing that it is of is served from now on. @returns how many kept replies it was of */
  apply(order: Pick<PurgeOrder, 'kind' | 'values'>): number {
    const isPurged = matcherOf(order)
    this.#generation++
    this.#recent.push(isPurged)
    if (this.#recent.length > REMEMBERED_LIMIT) this.#recent.shift()
    return this.#store.purge(isPurged)
  }

  /** Whether a purge since that generation is of the reply. */
  hasPurged(generation: number, reply: Purgeable): boolean {
    const missed = this.#generation - generation
    if (missed === 0) return false
    return missed > this.#recent.length || this.#recent.slice(-missed).some((isPurged) => isPurged(reply))
  }
}

/** By the path alone, whichever host: the CDN may ask by another one than the public knows. To purge too much costs little. */
const matcherOf = ({ kind, values }: Pick<PurgeOrder, 'kind' | 'values'>): Matcher => {
  if (kind === 'everything') return () => true
  if (kind === 'tag') {
    const tags = new Set(values)
    return (reply) => reply.tags.some((tag) => tags.has(tag))
  }
  const paths = values.map((value) => urlParts(value)?.pathAndQuery ?? '/')
  if (kind === 'prefix') return ({ pathAndQuery }) => paths.some((path) => pathAndQuery.startsWith(path))
  const exact = new Set(paths)
  return ({ pathAndQuery }) => exact.has(pathAndQuery)
}
