import { BlockList, isIPv6 } from 'node:net'

/** What a request from an address must meet. `either`: within the jitter of a block's end. */
export type Expected = 'blocked' | 'free' | 'either'

/** A block that somebody or something has made, once. */
interface Made {
  readonly range: string
  /** It lasts at least until then, */
  readonly leastMs: number
  /** and at most until then. */
  readonly mostMs: number
}

/** What one who keeps blocks has heard of. Nothing that was heard is unheard: an unblock is heard of, too. */
interface Heard {
  readonly made: Set<Made>
  readonly ended: Set<Made>
}

interface Member extends Heard {
  /** What it has put others in the place of while it was alone: for it alone they are gone. */
  readonly replaced: Set<Made>
  /** Refusals by limits that count towards the next block, by client: those here, */
  readonly own: Map<string, number>
  /** and those that this member may have heard of at most. */
  readonly most: Map<string, number>
}

export interface ModelRules {
  readonly violations: number
  /** Of a block that is made for violations. */
  readonly leastBlockMs: number
  readonly mostBlockMs: number
}

/**
 * Blocks, as an operator understands them: things that were made and ended by somebody who had heard of them. Who can speak to Redis
 * knows all that any other knows that can; who cannot goes on alone, and tells when it can again. A member that is started anew knows
 * what Redis tells it, and an outage that kills Redis takes what was there alone.
 */
export class BlockModel {
  nowMs: number
  outage: 'killed' | 'frozen' | undefined
  readonly allowed = new Set<string>()
  readonly #rules: ModelRules
  readonly #members: readonly Member[]
  /** What Redis has kept in an outage. */
  #redis: Heard = nothing()
  /** Blocks that were ended by who had not heard of another one of the same range: they may last with that one. */
  readonly #disputed = new Set<Made>()

  constructor(members: number, nowMs: number, rules: ModelRules) {
    this.#members = Array.from({ length: members }, newMember)
    this.nowMs = nowMs
    this.#rules = rules
  }

  expected(member: number, address: string): Expected {
    if (this.allowed.has(address)) return 'free'
    const covering = this.#living(member).filter(({ range }) => covers(range, address))
    if (covering.some(({ leastMs }) => this.nowMs < leastMs)) return 'blocked'
    const disputed = [...this.#disputed].filter(({ range }) => covers(range, address))
    return [...covering, ...disputed].some(({ mostMs }) => this.nowMs < mostMs) ? 'either' : 'free'
  }

  /** An operator's block takes the place of what there is; of what others still have in an outage, the later end counts. */
  order(member: number, range: string, forMs: number): void {
    const { made, ended, replaced } = this.#member(member)
    for (const one of [...made].filter((other) => other.range === range)) {
      if (this.outage === undefined) ended.add(one)
      else {
        made.delete(one)
        ended.delete(one)
        replaced.add(one)
      }
    }
    this.#make(member, { range, leastMs: this.nowMs + forMs, mostMs: this.nowMs + forMs })
  }

  /** Ends what the member has heard of. */
  unblock(member: number, range: string): void {
    const { ended, replaced } = this.#member(member)
    const living = this.#living(member).filter((one) => one.range === range)
    if (living.length === 0) return
    for (const one of [...living, ...replaced]) if (one.range === range) ended.add(one)
    if (this.outage === undefined) for (const one of this.#disputed) if (one.range === range) this.#disputed.delete(one)
    this.#beginAnew(member, range)
    this.#meet()
  }

  /** A limit has refused a request. @returns whether the client must be blocked now, may be, or may not */
  refused(member: number, address: string, client: string): 'must' | 'may' | 'must not' {
    if (this.allowed.has(address)) return 'must not'
    const own = add(this.#member(member).own, client)
    for (const { most } of this.#members) add(most, client)
    if (own >= this.#rules.violations) return 'must'
    return (this.#member(member).most.get(client) ?? 0) >= this.#rules.violations ? 'may' : 'must not'
  }

  /** The client has been blocked for its violations. */
  climbed(member: number, client: string): void {
    const { leastBlockMs, mostBlockMs } = this.#rules
    this.#make(member, { range: client, leastMs: this.nowMs + leastBlockMs, mostMs: this.nowMs + mostBlockMs })
  }

  restart(member: number): void {
    const { made, ended, replaced, own } = this.#member(member)
    for (const heard of [made, ended, replaced, own]) heard.clear()
    this.#meet()
  }

  lose(outage: 'killed' | 'frozen'): void {
    this.outage = outage
    const [{ made, ended } = nothing()] = this.#members
    this.#redis = outage === 'killed' ? nothing() : { made: new Set(made), ended: new Set(ended) }
  }

  recover(): void {
    this.outage = undefined
    const endedBefore = new Set(this.#redis.ended)
    // Whose violations were counted from which block on is not looked into: what is certain begins anew, what is possible stays.
    for (const { own, most } of this.#members) {
      own.clear()
      for (const other of this.#members) {
        for (const [client, count] of other.most) most.set(client, Math.max(count, most.get(client) ?? 0))
      }
    }
    this.#meet()
    const [{ ended } = nothing()] = this.#members
    for (const one of ended) {
      if (!endedBefore.has(one) && this.#living(0).some(({ range }) => range === one.range)) this.#disputed.add(one)
    }
  }

  #make(member: number, made: Made): void {
    this.#member(member).made.add(made)
    this.#beginAnew(member, made.range)
    this.#meet()
  }

  #beginAnew(member: number, range: string): void {
    for (const { own, most } of this.outage === undefined ? this.#members : [this.#member(member)]) {
      own.delete(range)
      most.delete(range)
    }
  }

  #living(member: number): Made[] {
    const { made, ended } = this.#member(member)
    return [...made].filter((one) => !ended.has(one))
  }

  /** All that can hear one another know what any of them knows. */
  #meet(): void {
    if (this.outage !== undefined) return
    const all = [...this.#members, this.#redis]
    for (const { made, ended, replaced } of this.#members) {
      replaced.clear()
      for (const other of all) {
        for (const one of other.made) made.add(one)
        for (const one of other.ended) ended.add(one)
      }
    }
    const [{ made, ended } = nothing()] = this.#members
    this.#redis = { made: new Set(made), ended: new Set(ended) }
  }

  #member(member: number): Member {
    return this.#members[member] as Member
  }
}

const nothing = (): Heard => ({ made: new Set(), ended: new Set() })

const newMember = (): Member => ({
  ...nothing(),
  ...{ replaced: new Set(), own: new Map(), most: new Map() },
})

const add = (counts: Map<string, number>, key: string): number => {
  const count = (counts.get(key) ?? 0) + 1
  counts.set(key, count)
  return count
}

/** By Node's own list. */
const covers = (range: string, address: string): boolean => {
  const family = (text: string) => (isIPv6(text) ? 'ipv6' : 'ipv4')
  const [network = '', bits] = range.split('/')
  const list = new BlockList()
  if (bits === undefined) list.addAddress(network, family(network))
  else list.addSubnet(network, Number(bits), family(network))
  return list.check(address, family(address))
}
