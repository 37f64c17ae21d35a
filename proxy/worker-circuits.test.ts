import { expect, it } from 'vitest'
import type { CircuitReport } from './state/circuits/circuits.ts'
import { WorkerCircuits } from './worker-circuits.ts'
import type { PrimaryOrder, WorkerReport } from './worker-messages.ts'

const report = { status: { circuits: [{ name: 'read' }, { name: 'write' }] as unknown as CircuitReport[] } }

it('a worker that starts is told of orders that hold, with what is left of their time', () => {
  const time = { ms: 5_000 }
  const told: PrimaryOrder[] = []
  const circuits = new WorkerCircuits(
    () => [report as unknown as WorkerReport],
    (order) => told.push(order),
    { monotonicMs: () => time.ms },
  )
  expect(circuits.order('read', 'open', 60)).toBe(1)
  expect(circuits.order('write', 'closed')).toBe(1)
  expect(circuits.order('raed', 'open')).toBe(0)
  expect(told).toEqual([
    { type: 'circuit', name: 'read', order: 'open', seconds: 60 },
    { type: 'circuit', name: 'write', order: 'closed' },
  ])
  time.ms += 45_000
  expect(circuits.standing()).toEqual([
    { type: 'circuit', name: 'read', order: 'open', seconds: 15 },
    { type: 'circuit', name: 'write', order: 'closed' },
  ])
  time.ms += 15_000
  expect(circuits.standing()).toEqual([{ type: 'circuit', name: 'write', order: 'closed' }])
  circuits.order('write', 'auto')
  expect(circuits.standing()).toEqual([])
})
