import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addressText, type IpAddress, parseAddress } from '../../facts/ip-address.ts'
import { covers, formatCidr, parseCidr } from '../addresses/cidr.ts'
import type { Block } from './block.ts'
import { BlockTable } from './block-table.ts'

/** Few addresses, near one another at every length of prefix, so that ranges nest, meet and repeat. */
const ipv4 = fc
  .tuple(fc.constantFrom(0x0a000000, 0xc0000200), fc.subarray([0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 31]))
  .map(([base, bits]) => addressText(bits.reduce((address, bit) => (address ^ (1 << bit)) >>> 0, base)))
const ipv6 = fc.subarray([0, 3, 16, 31, 32, 33, 47, 48, 49, 63, 64, 65, 95, 96, 127]).map((bits) => {
  const groups = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]
  for (const bit of bits) groups[bit >> 4] = (groups[bit >> 4] as number) ^ (0x8000 >> (bit & 15))
  return addressText(groups)
})
const address = fc.oneof(ipv4, ipv6)
const range = fc.oneof(
  fc.tuple(ipv4, fc.constantFrom(0, 1, 8, 15, 16, 17, 24, 31, 32)),
  fc.tuple(ipv6, fc.constantFrom(0, 1, 31, 32, 33, 48, 49, 63, 64, 65, 95, 96, 97, 127, 128)),
)

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      range,
      lifeMs: fc.constantFrom(1, 10, Number.POSITIVE_INFINITY),
      memoryMs: fc.constantFrom(0, 20),
      reason: fc.constantFrom('', 'a', 'b'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), range }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('look' as const), address }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(15) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
)

const canonical = ([text, bits]: readonly [string, number]): string => {
  const cidr = parseCidr(`${text}/${bits}`)
  if (cidr === undefined) throw new Error(text)
  return formatCidr(cidr)
}

const all = (table: BlockTable, limit: number): Block[] => {
  const found: Block[] = []
  for (let cursor: number | undefined = 0; cursor !== undefined; ) {
    const page = table.page(cursor, limit)
    found.push(...page.blocks)
    cursor = page.next
  }
  return found
}

const byRange = (blocks: Iterable<Block>) =>
  [...blocks].toSorted((some, others) => (some.range < others.range ? -1 : 1))

/** The property, for a table with one way of hashing or another. */
const agreesWithAList = (newTable: () => BlockTable): void => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (steps, pageSize) => {
      const table = newTable()
      const list = new Map<string, Block>()
      let nowMs = 1_000
      for (const [index, one] of steps.entries()) {
        switch (one.do) {
          case 'set': {
            const untilMs = nowMs + one.lifeMs
            const block: Block = {
              ...{
                range: canonical(one.range),
                source: index % 2 === 0 ? 'auto' : 'manual',
                author: `author ${index % 3}`,
              },
              ...{
                reason: one.reason,
                sinceMs: nowMs,
                untilMs,
                forgetAtMs: untilMs + one.memoryMs,
                count: index,
                stamp: index,
              },
            }
            table.set(block)
            list.set(block.range, block)
            break
          }
          case 'delete':
            expect(table.delete(canonical(one.range))).toBe(list.delete(canonical(one.range)))
            break
          case 'look': {
            const parsed = parseAddress(one.address) as IpAddress
            const covering = [...list.values()].filter((block) => {
              const [outer, inner] = [parseCidr(block.range), parseCidr(one.address)]
              return outer !== undefined && inner !== undefined && covers(outer, inner)
            })
            const holding = covering.filter(({ untilMs }) => untilMs > nowMs)
            expect(table.isBlocked(parsed, nowMs)).toBe(holding.length > 0)
            expect(byRange(table.covering(parsed))).toEqual(byRange(covering))
            expect(table.find(parsed, nowMs)?.untilMs).toBe(
              holding.length === 0 ? undefined : Math.max(...holding.map(({ untilMs }) => untilMs)),
            )
            break
          }
          case 'pass':
            nowMs += one.ms
            break
          case 'sweep': {
            const passed = [...list.values()].filter(({ forgetAtMs }) => forgetAtMs <= nowMs)
            for (const { range: gone } of passed) list.delete(gone)
            // It goes on where it stopped: the first call may end at the end.
            expect(table.sweep(nowMs, 1_000) + table.sweep(nowMs, 1_000)).toBe(passed.length)
          }
        }
        expect(table.size).toBe(list.size)
      }
      expect(byRange(all(table, pageSize))).toEqual(byRange(list.values()))
      for (const block of list.values()) expect(table.get(block.range)).toEqual(block)
    }),
    { numRuns: 300 },
  )
}

it('the table knows what a plain list of ranges knows', () => agreesWithAList(() => new BlockTable()))

it('the table knows it where everything collides, too', () => agreesWithAList(() => new BlockTable(0, () => 7)))

it('the table knows it where segments collide, and some slots do', () =>
  agreesWithAList(() => new BlockTable(0, (word) => (word ^ (word >>> 7)) & 0x3f)))

it('ranges that differ in their last bit alone are two, whatever their length', () => {
  const block = (cidr: string): Block => ({
    ...{ range: canonical(cidr.split('/') as unknown as [string, number]), source: 'manual', author: 'a', reason: '' },
    ...{ sinceMs: 0, untilMs: 2_000, forgetAtMs: 2_000, count: 1, stamp: 1 },
  })
  const differingAt = (bit: number, width: 32 | 128): readonly [string, string] => {
    if (width === 32) return ['10.9.8.7', addressText((0x0a090807 ^ (0x8000_0000 >>> bit)) >>> 0)]
    const groups = [0x2001, 0xdb8, 1, 2, 3, 4, 5, 6]
    const others = groups.map((group, at) => (at === bit >> 4 ? group ^ (0x8000 >> (bit & 15)) : group))
    return [addressText(groups), addressText(others)]
  }
  for (const width of [32, 128] as const) {
    for (let bits = 1; bits <= width; bits++) {
      for (const table of [new BlockTable(), new BlockTable(0, () => 7)]) {
        const [one, other] = differingAt(bits - 1, width)
        table.set(block(`${one}/${bits}`))
        expect(table.isBlocked(parseAddress(one) as IpAddress, 0)).toBe(true)
        expect(table.isBlocked(parseAddress(other) as IpAddress, 0)).toBe(false)
        table.set(block(`${other}/${bits}`))
        expect(table.size).toBe(2)
        expect(table.delete(block(`${one}/${bits}`).range)).toBe(true)
        expect(table.isBlocked(parseAddress(one) as IpAddress, 0)).toBe(false)
        expect(table.isBlocked(parseAddress(other) as IpAddress, 0)).toBe(true)
      }
    }
  }
})

it('the table knows it however often it grows and shrinks', () => {
  const table = new BlockTable()
  const block = (range: string): Block => ({
    ...{ range, source: 'manual', author: 'a', reason: '', sinceMs: 0 },
    ...{ untilMs: 2_000, forgetAtMs: 2_000, count: 1, stamp: 1 },
  })
  const rangesOf = (number: number) => [
    `10.${number >> 8}.${number & 255}.0/${24 + (number % 9)}`,
    `2001:db8:${number.toString(16)}::/${48 + (number % 81)}`,
  ]
  const addressesOf = (number: number) =>
    rangesOf(number).map((one) => parseAddress(one.replace(/\/.*/u, '')) as IpAddress)
  const areBlocked = (from: number, to: number) =>
    new Set(
      Array.from({ length: to - from }, (_, index) => addressesOf(from + index))
        .flat()
        .map((address) => table.isBlocked(address, 0)),
    )
  for (const count of [900, 3_000, 50, 1_100, 0, 20_000, 9_000, 18_000]) {
    for (let number = table.size / 2; number < count; number++)
      for (const one of rangesOf(number)) table.set(block(one))
    for (let number = table.size / 2 - 1; number >= count; number--) {
      for (const one of rangesOf(number)) table.delete(one)
    }
    expect(table.size).toBe(count * 2)
    expect(areBlocked(0, count)).toEqual(new Set(count === 0 ? [] : [true]))
    expect(areBlocked(count, count + 3_000)).toEqual(new Set([false]))
  }
})

it('a page goes on where the one before has ended, whatever is taken away meanwhile', () => {
  const table = new BlockTable()
  const block = (number: number): Block => ({
    ...{ range: `10.0.${number >> 8}.${number & 255}`, source: 'manual', author: 'a', reason: '', sinceMs: 0 },
    ...{ untilMs: 1, forgetAtMs: 1, count: 1, stamp: 1 },
  })
  for (let number = 0; number < 1_000; number++) table.set(block(number))
  const seen = new Set<string>()
  for (let cursor: number | undefined = 0, turn = 0; cursor !== undefined; turn++) {
    const page = table.page(cursor, 10)
    for (const { range: found } of page.blocks) seen.add(found)
    table.delete(block(turn * 3).range)
    cursor = page.next
  }
  const stayed = Array.from({ length: 1_000 }, (_, number) => block(number).range).filter(
    (one) => table.get(one) !== undefined,
  )
  expect(stayed.filter((one) => !seen.has(one))).toEqual([])
  expect(table.page(2 ** 32, 10)).toEqual({ blocks: [], next: undefined })
  expect(stayed.length).toBeLessThan(1_000)
})
