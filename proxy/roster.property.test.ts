import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Listed, Roster } from './roster.ts'

interface Member extends Listed {
  readonly key: number
}

it('has on it what was added and not taken off, once each', () => {
  const step = fc.record({ isAddition: fc.boolean(), key: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const roster = new Roster<Member>()
      const members = Array.from({ length: 21 }, (_, key): Member => ({ key, place: -1 }))
      const reference = new Set<number>()
      for (const { isAddition, key } of steps) {
        const member = members[key] as Member
        if (!isAddition) {
          roster.delete(member)
          reference.delete(key)
        } else if (!reference.has(key)) {
          roster.add(member)
          reference.add(key)
        }
      }
      expect(roster.size).toBe(reference.size)
      expect([...roster].map(({ key }) => key).sort((a, b) => a - b)).toEqual([...reference].sort((a, b) => a - b))
    }),
  )
})

it('comes to all that stay, whoever is taken off meanwhile', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(19), { maxLength: 4 }), { minLength: 20, maxLength: 20 }), (takenOffAt) => {
      const roster = new Roster<Member>()
      const members = Array.from({ length: 20 }, (_, key): Member => ({ key, place: -1 }))
      for (const member of members) roster.add(member)
      const seen = new Set<number>()
      for (const { key } of roster) {
        seen.add(key)
        for (const other of takenOffAt[key] as number[]) roster.delete(members[other] as Member)
      }
      for (const { key } of roster) expect(seen).toContain(key)
    }),
  )
})
