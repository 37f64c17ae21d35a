import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PrefixFilter } from './prefix-filter.ts'

/** Two numbers that look like hashes, of each of many prefixes. */
const hashesOf = (prefix: number) => [Math.imul(prefix, 0x9e37_79b1), Math.imul(prefix, 0x85eb_ca6b)] as const

/** As the index uses it: a number that has become free is taken again, by a prefix that there has not been before. */
class Numbered {
  readonly filter = new PrefixFilter((id, add) => {
    const prefix = this.#prefixes[id]
    if (prefix !== undefined) for (const hash of hashesOf(prefix)) add(hash)
  })
  readonly #prefixes: (number | undefined)[] = []
  readonly #ids: number[] = []
  readonly #free: number[] = []
  #made = 0

  resize(size: number): void {
    while (this.#ids.length < size) this.#add()
    while (this.#ids.length > size) this.#remove()
  }

  get missed(): number[] {
    return this.#ids
      .map((id) => this.#prefixes[id] as number)
      .filter((prefix) => hashesOf(prefix).some((hash) => this.filter.has(hash) === 0))
  }

  #add(): void {
    const id = this.#free.pop() ?? this.#prefixes.length
    this.#made++
    this.#prefixes[id] = this.#made
    this.#ids.push(id)
    for (const hash of hashesOf(this.#made)) this.filter.add(hash)
    this.filter.changed(1, this.#ids.length, this.#prefixes.length)
  }

  #remove(): void {
    const id = this.#ids.pop() as number
    this.#prefixes[id] = undefined
    this.#free.push(id)
    this.filter.changed(-1, this.#ids.length, this.#prefixes.length)
  }
}

/** Of ten thousand hashes that nobody has added. */
const falseShare = (filter: PrefixFilter): number => {
  let found = 0
  for (let at = 1; at <= 10_000; at++) found += filter.has(Math.imul(at, 0xc2b2_ae35) ^ 0x5555_5555)
  return found / 10_000
}

it('whatever comes and goes, none that is there is missed, before, while and after the filter is made anew', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(40_000), { minLength: 1, maxLength: 6 }), fc.nat(500), (sizes, more) => {
      const numbered = new Numbered()
      for (const size of sizes) {
        numbered.resize(size)
        expect(numbered.missed).toEqual([])
        numbered.resize(size + more)
        expect(numbered.missed).toEqual([])
      }
    }),
    { numRuns: 30 },
  )
})

it('few are found that are not there, however many there are', () => {
  const numbered = new Numbered()
  for (const size of [1_000, 16_000, 40_000, 300_000]) {
    numbered.resize(size)
    numbered.resize(size + Math.ceil(size / 10))
    expect(falseShare(numbered.filter)).toBeLessThan(0.1)
  }
})

it('few are found that are not there, however many there have been', () => {
  const numbered = new Numbered()
  for (let turn = 0; turn < 20; turn++) {
    numbered.resize(15_000)
    numbered.resize(1_000)
  }
  expect(falseShare(numbered.filter)).toBeLessThan(0.2)
})
