import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { KeptReply } from './kept-reply.ts'
import { StaleStore, variantFor } from './stale-store.ts'

const LIMIT_BYTES = 40_000

const reply = (pathAndQuery: string, bodyBytes: number, language: string, receivedAtMs: number): KeptReply => ({
  pathAndQuery,
  ...{
    status: 200,
    statusText: 'OK',
    headers: [],
    tags: [],
    body: Buffer.alloc(bodyBytes),
    receivedAtMs,
    ageSeconds: 0,
  },
  ...{
    vary: [{ lowerName: 'accept-language', value: language }],
    freshSeconds: undefined,
    servableSeconds: 1,
    kind: 'other',
    isSaid: true,
  },
})

const step = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
  language: fc.constantFrom('de', 'en', 'fr'),
  bodyBytes: fc.constantFrom(0, 100, 4_000, 6_000),
  do: fc.constantFrom('put' as const, 'put' as const, 'put' as const, 'get' as const, 'purge' as const),
})

it('what is found was kept last for that address and language; it is never too much; what was purged is gone', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const store = new StaleStore()
      const model = new Map<string, KeptReply>()
      const find = (key: string, language: string) => {
        const kept = store.get(key)
        return kept && variantFor(kept, ['Accept-Language', language])
      }
      for (const [time, { key, language, bodyBytes, do: what }] of steps.entries()) {
        const place = `${key} ${language}`
        if (what === 'put') {
          const one = reply(key, bodyBytes, language, time)
          if (bodyBytes < 5_000 - 600) model.set(place, one) // an eighth of all, less what it takes beside its body
          store.put(key, one, LIMIT_BYTES)
          if (model.get(place) === one) expect(find(key, language)).toBe(one)
        } else if (what === 'purge') {
          store.purge(({ pathAndQuery }) => pathAndQuery === key)
          for (const one of ['de', 'en', 'fr']) model.delete(`${key} ${one}`)
        }
        expect([undefined, model.get(place)]).toContain(find(key, language))
        expect(store.bytes).toBeLessThanOrEqual(LIMIT_BYTES)
        expect(store.bytes).toBeGreaterThanOrEqual(0)
      }
      store.purge(() => true)
      expect([store.bytes, store.size]).toEqual([0, 0])
    }),
  )
})

it('what is asked for stays, whatever else is kept', () => {
  const store = new StaleStore()
  store.put('asked for', reply('', 1_000, 'de', 0), LIMIT_BYTES)
  store.put('not asked for', reply('', 1_000, 'de', 0), LIMIT_BYTES)
  for (let time = 0; time < 1_000; time++) {
    store.put(`${time}`, reply('', 1_000, 'de', time), LIMIT_BYTES)
    expect(store.get('asked for')).toBeDefined()
  }
  expect(store.get('not asked for')).toBeUndefined()
})
