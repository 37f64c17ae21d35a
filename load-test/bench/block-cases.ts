import { systemClock } from '#shared/clock.ts'
import type { IpAddress } from '../../proxy/facts/ip-address.ts'
import type { Facts } from '../../proxy/layer.ts'
import { blockList } from '../../proxy/layers/block-list.ts'
import { type Cidr, cidrOf, formatCidr } from '../../proxy/state/addresses/cidr.ts'
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

interface Blocks {
  readonly table: BlockTable
  readonly ranges: readonly Cidr[]
}

const made = new Map<number, Blocks>()

/** Single addresses and ranges of all lengths, half of each family: of IPv4 in the lower half of its space, of IPv6 in 2000::/4. */
const blocksOf = (count: number): Blocks => {
  const known = made.get(count)
  if (known !== undefined) return known
  const table = new BlockTable(1)
  const ranges: Cidr[] = []
  const next = numbers(7)
  while (table.size < count) {
    const isIpv4 = (next() & 1) === 0
    const address = isIpv4 ? next() >>> 1 : ipv6(0x2000 | (next() & 0xfff), next)
    const range = cidrOf(address, isIpv4 ? 17 + (next() % 16) : 32 + (next() % 97))
    ranges.push(range)
    table.set({
      ...{ range: formatCidr(range), source: 'auto', author: 'sidegate', reason: '20 violations in 60 s' },
      ...{ sinceMs: 0, untilMs: 4e12, forgetAtMs: 4e12, count: 1, stamp: 1 },
    })
  }
  made.set(count, { table, ranges })
  return { table, ranges }
}

const ADDRESSES = 1 << 16
const NOW_MS = 1e12

type Family = 'IPv4' | 'IPv6'

const KNOWN_CLIENTS = 1_000

type Place = (blocks: Blocks, family: Family, next: () => number) => () => IpAddress

/** Addresses that a look-up is made for, by where they lie. What lies beside a block and is blocked by another is left out. */
const PLACES = {
  /** Of IPv4 about half are blocked where there are a million, of IPv6 hardly any. */
  'among them': (_blocks, family, next) => () => addressAmong(family, next),
  blocked:
    ({ ranges }, family, next) =>
    () =>
      addressIn(anyOf(ranges, family, next), next),
  'beside a block':
    ({ table, ranges }, family, next) =>
    () =>
      unblocked(table, () => {
        const range = anyOf(ranges, family, next)
        return flipped(addressIn(range, next), range.bits - 1 - (next() & 7))
      }),
  /** As traffic is on most days: nobody is blocked, and all but one request in twenty come from who has been there before. */
  'of known clients': ({ table }, family, next) => {
    const client = () => unblocked(table, () => addressAmong(family, next))
    const known = Array.from({ length: KNOWN_CLIENTS }, client)
    return () => (next() % 20 === 0 ? client() : (known[next() % KNOWN_CLIENTS] as IpAddress))
  },
} satisfies Record<string, Place>

const addressAmong = (family: Family, next: () => number): IpAddress =>
  family === 'IPv4' ? next() >>> 1 : ipv6(0x2000 | (next() & 0xfff), next)

const unblocked = (table: BlockTable, anyAddress: () => IpAddress): IpAddress => {
  for (;;) {
    const address = anyAddress()
    if (!table.isBlocked(address, NOW_MS)) return address
  }
}

const anyOf = (ranges: readonly Cidr[], family: Family, next: () => number): Cidr => {
  for (;;) {
    const range = ranges[next() % ranges.length] as Cidr
    if ((typeof range.address === 'number') === (family === 'IPv4')) return range
  }
}

/** Any address of the range. */
const addressIn = ({ address, bits }: Cidr, next: () => number): IpAddress => {
  const width = typeof address === 'number' ? 32 : 128
  let found = address
  for (let bit = bits; bit < width; bit++) if ((next() & 1) === 1) found = flipped(found, bit)
  return found
}

/** @param bit counted from the first */
const flipped = (address: IpAddress, bit: number): IpAddress => {
  if (typeof address === 'number') return (address ^ (0x8000_0000 >>> bit)) >>> 0
  return address.map((group, index) => (index === bit >> 4 ? group ^ (0x8000 >> (bit & 15)) : group))
}

const lookUp = (count: number, family: Family, place: keyof typeof PLACES): MicroCase => {
  let addresses: readonly IpAddress[] | undefined
  let table: BlockTable | undefined
  const make = () => {
    const blocks = blocksOf(count)
    const next = numbers(11)
    table = blocks.table
    return Array.from({ length: ADDRESSES }, PLACES[place](blocks, family, next))
  }
  return {
    name: `block look-up, ${count.toLocaleString('en')} blocks, ${family}${count === 0 ? '' : `, ${place}`}`,
    run(turn) {
      addresses ??= make()
      return table?.isBlocked(addresses[turn & (ADDRESSES - 1)] as IpAddress, NOW_MS)
    },
  }
}

/** What the layer does with requests of clients that lie among the blocks. */
const layerCase = (count: number): MicroCase => {
  let prepared: { readonly admit: (facts: Facts) => unknown; readonly facts: readonly Facts[] } | undefined
  const make = () => {
    const { table } = blocksOf(count)
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
      prepared ??= make()
      return prepared.admit(prepared.facts[turn & (ADDRESSES - 1)] as Facts)
    },
  }
}

const FAMILIES = ['IPv4', 'IPv6'] as const

export const blockCases: readonly MicroCase[] = [
  ...FAMILIES.map((family) => lookUp(0, family, 'among them')),
  ...[1_000, 1_000_000].flatMap((count) =>
    FAMILIES.flatMap((family) =>
      (Object.keys(PLACES) as (keyof typeof PLACES)[]).map((place) => lookUp(count, family, place)),
    ),
  ),
  layerCase(0),
  layerCase(1_000),
]
