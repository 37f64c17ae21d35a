import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseWalPosition } from './wal-position.ts'

const part = fc.bigInt({ min: 0n, max: 0xffff_ffffn })
const text = (upper: bigint, lower: bigint) => `${upper.toString(16)}/${lower.toString(16)}`.toUpperCase()

test('a position is its upper half before its lower half', () => {
  fc.assert(
    fc.property(part, part, (upper, lower) => {
      expect(parseWalPosition(text(upper, lower))).toBe(upper * 2n ** 32n + lower)
    }),
  )
})

test('positions order as their bytes do, where their texts would not', () => {
  expect(parseWalPosition('9/0')).toBeLessThan(parseWalPosition('10/0'))
  expect(parseWalPosition('0/FFFFFFFF')).toBeLessThan(parseWalPosition('1/0'))
})

test('anything else is refused', () => {
  for (const other of ['', '0', '0/', '/0', '0/G', '0/123456789', '0/0 ', '-1/0']) {
    expect(() => parseWalPosition(other)).toThrow('no position')
  }
})
