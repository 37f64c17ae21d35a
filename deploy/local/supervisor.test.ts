import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Supervisor } from './supervisor.ts'

const supervise = () => {
  const messages: string[] = []
  const supervisor = new Supervisor(pino({}, { write: (line) => messages.push(JSON.parse(line).msg) }))
  return { supervisor, messages }
}

test('parts are stopped one by one, the last started first', async () => {
  const { supervisor } = supervise()
  const events: string[] = []
  for (const name of ['database', 'app', 'proxy']) {
    supervisor.started(name, async () => {
      events.push(`${name} stops`)
      await Promise.resolve()
      events.push(`${name} has stopped`)
    })
  }
  await supervisor.stopAll()
  expect(events).toEqual([
    ...['proxy stops', 'proxy has stopped', 'app stops', 'app has stopped'],
    ...['database stops', 'database has stopped'],
  ])
})

test('a part that fails to stop is told of, and does not keep the others', async () => {
  const { supervisor, messages } = supervise()
  supervisor.started('database', async () => undefined)
  supervisor.started('app', () => Promise.reject(new Error('stuck')))
  await supervisor.stopAll()
  expect(messages).toEqual(['app did not stop as it should', 'database has stopped'])
})

test('the first reason to halt is the one that counts, and is told once', () => {
  const { supervisor, messages } = supervise()
  supervisor.broke('app', 'status 1')
  supervisor.broke('proxy', 'status 1')
  supervisor.halt({ kind: 'asked', by: 'SIGINT' })
  expect(supervisor.reason).toEqual({ kind: 'broken', why: 'app ended unexpectedly (status 1)' })
  expect(supervisor.halted.aborted).toBe(true)
  expect(messages).toEqual(['app ended unexpectedly (status 1): stopping the others'])
})
