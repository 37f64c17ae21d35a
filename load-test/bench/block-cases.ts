import { systemClock } from '#shared/clock.ts'
import type { IpAddress } from '../../proxy/facts/ip-address.ts'
import type { Facts } from '../../proxy/layer.ts'
import { blockList } from '../../proxy/layers/block-list.ts'
import { cidrOf, formatCidr } from '../../proxy/state/addresses/cidr.ts'
import { BlockTable } from '../../proxy/state/blocks/block-table.ts'
import { TestPolicies } from '../../proxy/testing/policies.ts'
import type { MicroCase } from './micro-cases.ts'

/** A generator of numbers that are the same in each run: xorshift (Marsaglia, 2003). */
const numbers = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

const ipv6 = (first: number, next: () => number): IpAddress => [
  first,
  ...Array.from({ length: 7 }, () => next() & 0xffff),
]

/** Single addresses and ranges of all lengths, half of each family: of IPv4 in the lower half of its space, of IPv6 in 2000::/4. */
const tableOf = (count: number): BlockTable => {
  const table = new BlockTable(1)
  const next = numbers(7)
  while (table.size < count) {
    const isIpv4 = (next() & 1) === 0
    const address = isIpv4 ? next() >>> 1 : ipv6(0x2000 | (next() & 0xfff), next)
    const bits = isIpv4 ? 17 + (next() % 16) : 32 + (next() % 97)
    table.set({
      ...{
        range: formatCidr(cidrOf(address, bits)),
        source: 'auto',
        author: 'sidegate',
        reason: '20 violations in 60 s',
      },
      ...{ sinceMs: 0, untilMs: 4e12, forgetAtMs: 4e12, count: 1, stamp: 1 },
    })
  }
  return table
}

const ADDRESSES = 1 << 16

/** Addresses that lie among the blocks: of IPv4 about half are blocked where there are a million, of IPv6 hardly any. */
const lookUp = (count: number, family: 'IPv4' | 'IPv6'): MicroCase => {
  let made: { readonly table: BlockTable; readonly addresses: readonly IpAddress[] } | undefined
  const make = () => {
    const next = numbers(11)
    const address = () => (family === 'IPv4' ? next() >>> 1 : ipv6(0x2000 | (next() & 0xfff), next))
    return { table: tableOf(count), addresses: Array.from({ length: ADDRESSES }, address) }
  }
  return {
    name: `block look-up, ${count.toLocaleString('en')} blocks, ${family}`,
    run(turn) {
      made ??= make()
      return made.table.isBlocked(made.addresses[turn & (ADDRESSES - 1)] as IpAddress, 1e12)
    },
  }
}

/** What the layer does with requests of clients that lie among the blocks. */
const layerCase = (count: number): MicroCase => {
  let made: { readonly admit: (facts: Facts) => unknown; readonly facts: readonly Facts[] } | undefined
  const make = () => {
    const table = tableOf(count)
    const next = numbers(11)
    const { active: policy } = new TestPolicies({})
    const isBlocked = (address: IpAddress) => table.isBlocked(address, systemClock.wallMs()) // as the store does
    const layer = blockList({ size: table.size, isBlocked })
    const facts = Array.from({ length: ADDRESSES }, () => ({ clientIp: next() >>> 1, policy }) as unknown as Facts)
    return { admit: (one: Facts) => layer.admit?.(one), facts }
  }
  return {
    name: `block-list layer, ${count.toLocaleString('en')} blocks`,
    run(turn) {
      made ??= make()
      return made.admit(made.facts[turn & (ADDRESSES - 1)] as Facts)
    },
  }
}

export const blockCases: readonly MicroCase[] = [
  ...[0, 1_000, 1_000_000].flatMap((count) => [lookUp(count, 'IPv4'), lookUp(count, 'IPv6')]),
  layerCase(0),
  layerCase(1_000),
]
