import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { SupervisedProcess } from './supervised-process.ts'
import { findOnPath } from './system-tools.ts'

const READY = /Ready to accept connections/
const START_TIMEOUT_MS = 10_000
const STOP_STEP_MS = 3_000

export interface RedisServerOptions {
  readonly host: string
  readonly port: number
  /** Its working folder; nothing is written there. */
  readonly dataDir: string
  readonly onLine: (line: string) => void
}

export interface RedisServer {
  /** With its password. */
  readonly url: string
  readonly process: SupervisedProcess
}

/**
 * A Redis that keeps everything in memory, so that each run begins without the blocks and counts of the last. Undefined
 * where the machine has no `redis-server`.
 */
export const startRedis = async ({
  host,
  port,
  dataDir,
  onLine,
}: RedisServerOptions): Promise<RedisServer | undefined> => {
  const command = await findOnPath('redis-server')
  if (command === undefined) return undefined
  await mkdir(dataDir, { recursive: true })
  const password = randomBytes(18).toString('hex')
  const configuration = [
    `bind ${host}`,
    `port ${port}`,
    `requirepass ${password}`,
    'save ""',
    'appendonly no',
    'daemonize no',
  ]
  const process_ = new SupervisedProcess({
    name: 'redis',
    command,
    // On its input, since every user of the machine can read a command line.
    args: ['-'],
    input: `${configuration.join('\n')}\n`,
    environment: { PATH: process.env.PATH, LC_ALL: 'C' },
    cwd: dataDir,
    stopSignals: ['SIGTERM'],
    stopStepMs: STOP_STEP_MS,
    leashSignal: 'KILL',
    onLine,
  })
  try {
    await process_.line(READY, START_TIMEOUT_MS)
  } catch (error) {
    await process_.stop()
    throw error
  }
  return { url: `redis://:${password}@${host}:${port}`, process: process_ }
}
