import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LengthsInUse } from './lengths-in-use.ts'

it('tells of each length for as long as there is a prefix of it, and whether it is by itself up to the next byte', () => {
  const change = fc.record({ bits: fc.nat(128), by: fc.constantFrom(1 as const, -1 as const) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const lengths = new LengthsInUse()
      const prefixes: number[] = []
      for (const { bits, by } of changes) {
        const known = by === 1 ? -1 : prefixes.indexOf(bits)
        if (by === -1 && known === -1) continue
        if (by === 1) prefixes.push(bits)
        else prefixes.splice(known, 1)
        lengths.count(bits, by)
      }
      for (let byte = 0; byte <= 16; byte++) {
        const there = [0, 1, 2, 3, 4, 5, 6, 7].filter((behind) => prefixes.includes(byte * 8 + behind))
        expect(lengths.behind(byte)).toBe(there.reduce((bits, behind) => bits | (1 << behind), 0))
        expect((lengths.bytesOfOne >>> byte) & 1).toBe(there.length === 1 ? 1 : 0)
        expect((lengths.bytesOfSeveral >>> byte) & 1).toBe(there.length > 1 ? 1 : 0)
      }
    }),
  )
})
