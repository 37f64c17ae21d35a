import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client'
import type { Instance } from '#shared/instance.ts'
import type { CallObserver } from './db/database.ts'

export interface AppMetrics {
  readonly registry: Registry
  readonly requestSeconds: Histogram<'method' | 'route' | 'status'>
  readonly onDatabaseCall: CallObserver
}

/** What `/metrics` shows, each sample labelled with the instance. */
export const createMetrics = (instance: Instance): AppMetrics => {
  const registry = new Registry()
  registry.setDefaultLabels({ instance_id: instance.id, process: instance.process })
  collectDefaultMetrics({ register: registry })
  const requestSeconds = new Histogram({
    name: 'sidegate_app_request_duration_seconds',
    help: 'From the head of a request to the last byte of its reply; status 499 is a client that went away',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })
  const databaseCalls = new Counter({
    name: 'sidegate_app_database_calls_total',
    help: 'Queries by the server that they were sent to; a read that moves on counts at each',
    labelNames: ['call', 'served_by', 'outcome'],
    registers: [registry],
  })
  return {
    registry,
    requestSeconds,
    onDatabaseCall: (call, servedBy, outcome) => databaseCalls.inc({ call, served_by: servedBy, outcome }),
  }
}
