import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** Who this process is, in logs, metrics and status: one ID per process, workers of a cluster included. */
export interface Instance {
  readonly id: string
  /** `start` is the local run's launcher. */
  readonly process: 'proxy' | 'app' | 'start'
  readonly version: string
}

/** `<process>-<host>-<pid>-<random>`: a restarted container may come back with the same host name and pid. */
const mintInstanceId = (process_: Instance['process']): string =>
  [
    process_,
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 80),
    process.pid,
    randomBytes(3).toString('hex'),
  ].join('-')

/**
 * @param override the operator's `SIDEGATE_INSTANCE_ID`
 * @param worker   number of the worker in cluster mode, kept so that an override still names one process
 */
export const instanceIdentity = (
  process_: Instance['process'],
  version: string,
  override?: string,
  worker?: number,
): Instance => ({
  process: process_,
  version,
  id: override === undefined ? mintInstanceId(process_) : worker === undefined ? override : `${override}-w${worker}`,
})
