import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { ConfigurationError, exitBadConfiguration } from '#shared/environment.ts'
import { instanceIdentity } from '#shared/instance.ts'
import { createLogger } from '#shared/log.ts'
import { version } from '#shared/version.ts'
import { launch } from './launch.ts'
import { type LaunchSettings, readLaunchSettings } from './launch-settings.ts'
import { Supervisor } from './supervisor.ts'
import { findOnPath } from './system-tools.ts'
import { welcome } from './welcome.ts'

const HELP = `npm start [-- options]: Sidegate on this machine

Starts PostgreSQL (a primary and a streaming standby), Redis where redis-server is on the PATH, the app with sample
listings, and the proxy. Ctrl-C drains and stops everything.

  --fresh   start over: the data of earlier runs are lost
  --help    this text

Environment:
  PORT 8080, ADMIN_PORT 9090            of the proxy
  HOST 127.0.0.1, ADMIN_HOST 127.0.0.1  where the proxy listens; :: is every address of the machine
  APP_PORT 3000                         of the app
  POSTGRES_PRIMARY_PORT 15432, POSTGRES_REPLICA_PORT 15433, REDIS_PORT 16379
  SIDEGATE_DATA_DIR .data               where data are kept between runs
  LOG_FORMAT auto                       pretty on a terminal and json otherwise, or either
  LOG_LEVEL info                        debug shows the lines of PostgreSQL and Redis too
  DRAIN_DELAY_MS 500, DRAIN_TIMEOUT_MS 4000

A port of 0 is made a free one.
`

/** EX_USAGE of sysexits(3). */
const EX_USAGE = 64

/** One Ctrl-C may come twice: from the terminal, and passed on by npm. */
const SAME_REQUEST_MS = 300

const readOptions = (): { fresh: boolean; help: boolean } => {
  try {
    const { values } = parseArgs({ options: { fresh: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
    return { fresh: values.fresh ?? false, help: values.help ?? false }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
    process.exit(EX_USAGE)
  }
}

const readSettings = async (): Promise<LaunchSettings> => {
  const hasRedis = (await findOnPath('redis-server')) !== undefined
  try {
    return await readLaunchSettings(process.env, hasRedis)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return exitBadConfiguration(error)
  }
}

const options = readOptions()
if (options.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const settings = await readSettings()
const isTerminal = process.stdout.isTTY === true
const logFormat = settings.LOG_FORMAT === 'auto' ? (isTerminal ? 'pretty' : 'json') : settings.LOG_FORMAT
const log = createLogger({ LOG_LEVEL: settings.LOG_LEVEL, LOG_FORMAT: logFormat }, instanceIdentity('start', version))

const supervisor = new Supervisor(log)
let askedAtMs: number | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    askedAtMs ??= performance.now()
    if (performance.now() - askedAtMs > SAME_REQUEST_MS) {
      log.error(`${signal}: ending at once`)
      // What still runs is ended by its leash.
      process.exit(1)
    }
    supervisor.halt({ kind: 'asked', by: signal })
  })
}

try {
  const launched = await launch(settings, { fresh: options.fresh, logFormat }, supervisor, log)
  // Apart from the log, where that is read by machines.
  const output = logFormat === 'pretty' ? process.stdout : process.stderr
  output.write(welcome(settings, launched))
  if (!supervisor.halted.aborted) await once(supervisor.halted, 'abort')
} catch (error) {
  // A start that was halted fails for that reason, which has been told.
  if (supervisor.reason === undefined) {
    log.error({ err: error }, 'could not start')
    supervisor.halt({ kind: 'broken', why: 'the start has failed' })
  }
}
await supervisor.stopAll()
process.exit(supervisor.reason?.kind === 'asked' ? 0 : 1)
