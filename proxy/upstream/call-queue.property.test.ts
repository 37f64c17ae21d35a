import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CallQueue } from './call-queue.ts'
import type { Call } from './connection.ts'

/** Nothing of a call but that it is another than the others. */
const aCall = (): Call => ({}) as Call

it('gives its calls back in the order in which they came, but for those withdrawn or overdue', () => {
  const step = fc.oneof(
    { arbitrary: fc.record({ is: fc.constant('add' as const), laterMs: fc.nat(5) }), weight: 3 },
    { arbitrary: fc.record({ is: fc.constant('take' as const) }), weight: 2 },
    { arbitrary: fc.record({ is: fc.constant('remove' as const), which: fc.nat(300) }), weight: 1 },
    { arbitrary: fc.record({ is: fc.constant('expire' as const), nowMs: fc.nat(400), spared: fc.nat(3) }), weight: 1 },
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 600 }), (steps) => {
      const queue = new CallQueue()
      const came: Call[] = []
      let reference: { call: Call; untilMs: number }[] = []
      let untilMs = 0
      for (const step of steps) {
        if (step.is === 'add') {
          untilMs += step.laterMs
          const call = aCall()
          came.push(call)
          reference.push({ call, untilMs })
          queue.add(call, untilMs)
        } else if (step.is === 'take') {
          expect(queue.takeFirst()).toBe(reference.shift()?.call)
        } else if (step.is === 'remove') {
          const call = came[step.which] ?? aCall()
          const isWaiting = reference.some((waiting) => waiting.call === call)
          expect(queue.remove(call)).toBe(isWaiting)
          reference = reference.filter((waiting) => waiting.call !== call)
        } else {
          const overdue = reference.slice(step.spared).filter((waiting) => waiting.untilMs <= step.nowMs)
          expect(queue.takeOverdue(step.nowMs, step.spared)).toEqual(overdue.map(({ call }) => call))
          reference = reference.filter((waiting) => !overdue.includes(waiting))
        }
        expect(queue.length).toBe(reference.length)
      }
      for (const { call } of reference) expect(queue.takeFirst()).toBe(call)
      expect(queue.takeFirst()).toBeUndefined()
    }),
  )
})
