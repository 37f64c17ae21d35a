import { type PurgeOrder, urlParts } from './purge-order.ts'

/** What a purge is held against: the address within its host, and tags. */
export interface Purgeable {
  /** Of the request's target. */
  readonly pathAndQuery: string
  readonly tags: readonly string[]
}
export type PurgeMatcher = (reply: Purgeable) => boolean
/** What there is to purge. */
export type Purged = Pick<PurgeOrder, 'kind' | 'values'>

/** The last purges, one number each. What is as old as a number is held against those that have a greater one. */
export class RecentPurges {
  readonly #limit: number
  readonly #matchers: PurgeMatcher[] = []
  #number: number

  /** @param number of the last purge that is not among these. @param limit how many are remembered */
  constructor(number: number, limit: number) {
    this.#number = number
    this.#limit = limit
  }

  /** Of the last one. */
  get number(): number {
    return this.#number
  }

  add(isPurged: PurgeMatcher): void {
    this.#number++
    this.#matchers.push(isPurged)
    if (this.#matchers.length > this.#limit) this.#matchers.shift()
  }

  /** Whether a purge after that number is of the reply, or may be: there are more of them than are remembered. */
  hasPurged(number: number, reply: Purgeable): boolean {
    const missed = this.#number - number
    if (missed <= 0) return false
    return missed > this.#matchers.length || this.#matchers.slice(-missed).some((isPurged) => isPurged(reply))
  }
}

/** By the path alone, whichever host: the CDN may ask by another one than the public knows. To purge too much costs little. */
export const matcherOf = ({ kind, values }: Purged): PurgeMatcher => {
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
