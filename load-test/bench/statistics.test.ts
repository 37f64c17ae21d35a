import { expect, test } from 'vitest'
import { median, percentile, spread } from './statistics.ts'

test('the median is the value in the middle, or the mean of the two', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([10, 9, 1, 5])).toBe(7)
  expect(median([100, 20, 3])).toBe(20) // by size, not by spelling
  expect(median([])).toBeNaN()
})

test('a percentile is the smallest value that so many do not exceed', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(percentile(values, 99)).toBe(99)
  expect(percentile(values, 50)).toBe(50)
  expect(percentile([7], 99)).toBe(7)
  expect(percentile([], 99)).toBeNaN()
})

test('a spread lies between the least and the greatest round', () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
  expect(spread([])).toBeUndefined()
})
