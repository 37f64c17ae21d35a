import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { cpuBetween, parseStat, readTreeCpu, readTreeRssBytes, treeOf } from './process-tree.ts'

const statLine = (pid: number, name: string, parentPid: number, times: string) =>
  `${pid} (${name}) S ${parentPid} 6311 5465 0 -1 4194304 87 78 0 0 ${times} 20 0 1 0 1100296 2654208 365`

test('a process is read from its status, whatever it is called', () => {
  for (const name of ['node', 'nginx: worker process', 'a) S 1 (b', ') R 9 9 9']) {
    expect(parseStat(statLine(42, name, 7, '29 3 400 50'))).toEqual({
      pid: 42,
      parentPid: 7,
      ownTicks: 32,
      endedChildrenTicks: 450,
    })
  }
})

test('what is no status is not taken for one', () => {
  expect(() => parseStat('')).toThrow('no process status')
  expect(() => parseStat('42 (node) S 7')).toThrow('no process status')
})

test('a tree holds a process and all that descend from it, and no other', () => {
  const process_ = (pid: number, parentPid: number) => ({ pid, parentPid, ownTicks: 0, endedChildrenTicks: 0 })
  const all = [process_(5, 3), process_(1, 0), process_(3, 2), process_(2, 1), process_(4, 1)]
  expect(treeOf(2, all).map(({ pid }) => pid)).toEqual([2, 3, 5])
  expect(treeOf(9, all)).toEqual([])
})

test('the finer clock is believed while it agrees with the other', () => {
  const before = { statMicros: 1_000_000, schedstatMicros: 1_001_000 }
  expect(cpuBetween(before, { statMicros: 3_000_000, schedstatMicros: 3_011_500 })).toEqual({
    micros: 2_010_500,
    source: 'schedstat',
  })
  // A child has ended meanwhile: only `stat` keeps what it used.
  expect(cpuBetween(before, { statMicros: 3_000_000, schedstatMicros: 1_501_000 })).toEqual({
    micros: 2_000_000,
    source: 'stat',
  })
  expect(cpuBetween(before, { statMicros: 3_000_000, schedstatMicros: undefined })).toEqual({
    micros: 2_000_000,
    source: 'stat',
  })
})

test('the CPU of a child and of its child is seen, and their memory', async () => {
  const grandchild = "while (process.cpuUsage().user < 300000); process.send('done'); setInterval(() => {}, 1000)"
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const { spawn } = require('node:child_process')
       const inner = spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
       inner.on('message', () => process.send('done'))
       process.on('SIGTERM', () => { inner.kill(); process.exit() })`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  onTestFinished(async () => {
    child.kill()
    await once(child, 'exit')
  })
  await once(child, 'message')
  const { statMicros, schedstatMicros } = await readTreeCpu(child.pid as number, 100)
  expect(statMicros).toBeGreaterThan(250_000)
  if (schedstatMicros !== undefined) expect(Math.abs(schedstatMicros - statMicros)).toBeLessThan(100_000)
  expect(await readTreeRssBytes(child.pid as number)).toBeGreaterThan(60e6) // two Node processes
})
