import { expect, it } from 'vitest'
import { BUCKETS, OutcomeWindow } from './outcome-window.ts'

it('a window forgets nothing where the time goes back by a bucket', () => {
  const window = new OutcomeWindow(BUCKETS * 100)
  for (const nowMs of [1_250, 1_350, 1_150]) window.addFailure(nowMs)
  expect(window.failures).toBe(3)
  window.move(1_399)
  expect(window.failures).toBe(3)
})
