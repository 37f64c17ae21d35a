import { expect, it } from 'vitest'
import { BadExamples } from './bad-examples.ts'

it('the last few bad ones of each promise are told once, the latest first', () => {
  const examples = new BadExamples()
  for (let number = 1; number <= 7; number++) examples.note('reads', 'availability', `id-${number}`)
  examples.note('reads', 'latency', 'late')
  expect(examples.take()).toEqual([
    { objective: 'reads', promise: 'availability', ids: ['id-7', 'id-6', 'id-5', 'id-4', 'id-3'] },
    { objective: 'reads', promise: 'latency', ids: ['late'] },
  ])
  expect(examples.take()).toEqual([])
  examples.note('reads', 'availability', 'id-8')
  expect(examples.take()).toEqual([{ objective: 'reads', promise: 'availability', ids: ['id-8'] }])
})
