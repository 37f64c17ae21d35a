import { expect, test } from 'vitest'
import { parseCpuList, planCores } from './cores.ts'

test('a list of CPUs is read as the kernel writes it', () => {
  expect(parseCpuList('0-1')).toEqual([0, 1])
  expect(parseCpuList('0-2,8,10-11\n')).toEqual([0, 1, 2, 8, 10, 11])
  for (const list of ['', 'none', '1-', '0,,1']) expect(() => parseCpuList(list)).toThrow('no list of CPUs')
})

test('the proxy has a core of its own where there is one', () => {
  expect(planCores([0])).toEqual({ load: '0', proxy: '0', isShared: true, pairs: undefined })
  expect(planCores([4, 6])).toEqual({ load: '4', proxy: '6', isShared: false, pairs: undefined })
  expect(planCores([0, 1, 2, 3, 4])).toMatchObject({ proxy: '1', pairs: { load: '0,1', proxy: '2,3' } })
  expect(() => planCores([])).toThrow('no CPU')
})
