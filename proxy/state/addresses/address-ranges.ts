import type { IpAddress } from '../../facts/ip-address.ts'
import { parseCidr } from './cidr.ts'

const IPV4_BITS = 32
const GROUP_BITS = 16

/** The ranges of one length. */
interface OfLength<Key> {
  readonly bits: number
  readonly keys: Set<Key>
}

/** Addresses and CIDR ranges of both families. A look-up costs by how many lengths of prefix there are, not by how many ranges. */
export class AddressRanges {
  readonly #ipv4: OfLength<number>[] = []
  readonly #ipv6: OfLength<string>[] = []

  /** @param ranges as in `192.0.2.7`, `198.51.100.0/24` or `2001:db8::/32`; what is none is left out: policies are checked before */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) this.#add(range)
  }

  get isEmpty(): boolean {
    return this.#ipv4.length === 0 && this.#ipv6.length === 0
  }

  has(address: IpAddress): boolean {
    if (typeof address === 'number') {
      for (const { bits, keys } of this.#ipv4) if (keys.has(ipv4Key(address, bits))) return true
      return false
    }
    for (const { bits, keys } of this.#ipv6) if (keys.has(ipv6Key(address, bits))) return true
    return false
  }

  #add(range: string): void {
    const cidr = parseCidr(range)
    if (cidr === undefined) return
    const { address, bits } = cidr
    if (typeof address === 'number') keysOf(this.#ipv4, bits).add(ipv4Key(address, bits))
    else keysOf(this.#ipv6, bits).add(ipv6Key(address, bits))
  }
}

const keysOf = <Key>(lengths: OfLength<Key>[], bits: number): Set<Key> => {
  let known = lengths.find((one) => one.bits === bits)
  if (known === undefined) {
    known = { bits, keys: new Set() }
    lengths.push(known)
  }
  return known.keys
}

/** A shift by 32 is one by 0 in JavaScript. */
const ipv4Key = (address: number, bits: number): number => (bits === 0 ? 0 : (address >>> (IPV4_BITS - bits)) >>> 0)

const ipv6Key = (groups: readonly number[], bits: number): string => {
  let key = ''
  for (let index = 0; index * GROUP_BITS < bits; index++) {
    const dropped = Math.max((index + 1) * GROUP_BITS - bits, 0)
    key += String.fromCharCode(((groups[index] as number) >> dropped) << dropped)
  }
  return key
}
