import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RecentMap } from './recent-map.ts'

const step = fc.record({ key: fc.integer({ min: 0, max: 30 }).map(String), isDeleted: fc.boolean(), value: fc.nat() })

it('what was set last is there, nothing is there that was not set or was deleted, and it is never too much', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), fc.array(step, { maxLength: 200 }), (limit, steps) => {
      const recent = new RecentMap<number>(limit)
      const model = new Map<string, number>()
      for (const { key, isDeleted, value } of steps) {
        model.delete(key)
        if (isDeleted) recent.delete(key)
        else {
          model.set(key, value) // the youngest is the last
          recent.set(key, value)
        }
        const youngest = [...model].slice(-(limit >> 1))
        expect(youngest.map(([one]) => recent.get(one))).toEqual(youngest.map(([, known]) => known))
        for (let one = 0; one <= 30; one++) expect([undefined, model.get(`${one}`)]).toContain(recent.get(`${one}`))
        expect(recent.size).toBeLessThanOrEqual(limit)
      }
    }),
  )
})
