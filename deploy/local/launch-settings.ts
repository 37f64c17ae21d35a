import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import {
  ConfigurationError,
  commonFields,
  drainTimeoutPastDelay,
  durationMs,
  loadEnvironment,
  optionalText,
  port,
} from '#shared/environment.ts'
import { freePort, portProblems } from './ports.ts'

export const REPOSITORY_DIR = fileURLToPath(new URL('../..', import.meta.url))

/** A local run listens on loopback alone, but for the proxy where it is told otherwise. */
export const LOOPBACK = '127.0.0.1'

const host = () => optionalText('an address of this machine', /^[0-9A-Fa-f.:]{2,45}$/).default(LOOPBACK)

/** The defaults stand below the range out of which systems take the local ports of outgoing connections. */
const portFields = {
  PORT: port(8_080),
  ADMIN_PORT: port(9_090),
  APP_PORT: port(3_000),
  POSTGRES_PRIMARY_PORT: port(15_432),
  POSTGRES_REPLICA_PORT: port(15_433),
  REDIS_PORT: port(16_379),
}

type PortVariable = keyof typeof portFields

const PORT_VARIABLES = Object.keys(portFields) as PortVariable[]

const schema = z.object({
  ...commonFields,
  ...portFields,
  HOST: host(),
  ADMIN_HOST: host(),
  // No load balancer has to notice here, and Ctrl-C is to be done within seconds.
  DRAIN_DELAY_MS: durationMs(500, { min: 0, max: 600_000 }),
  DRAIN_TIMEOUT_MS: durationMs(4_000, { min: 100, max: 3_600_000 }),
  SIDEGATE_DATA_DIR: optionalText('the path of a folder', /^[^\0]+$/).default(join(REPOSITORY_DIR, '.data')),
})

export type LaunchSettings = z.output<typeof schema>

/**
 * What `npm start` is told by the environment. A port of 0 is made a free one, since the processes have to be told of
 * one another's; a port in use is found here, before anything has started.
 *
 * @throws ConfigurationError naming every bad variable, or every port that is taken
 */
export const readLaunchSettings = async (
  source: Readonly<Record<string, string | undefined>>,
  hasRedis: boolean,
): Promise<LaunchSettings> => {
  const settings = loadEnvironment(schema, source, [drainTimeoutPastDelay])
  const used = PORT_VARIABLES.filter((variable) => hasRedis || variable !== 'REDIS_PORT')
  for (const variable of used) {
    if (settings[variable] === 0) settings[variable] = await freePort(LOOPBACK)
  }
  const hosts: Partial<Record<PortVariable, string>> = { PORT: settings.HOST, ADMIN_PORT: settings.ADMIN_HOST }
  const problems = await portProblems(
    used.map((variable) => ({ variable, port: settings[variable], host: hosts[variable] ?? LOOPBACK })),
  )
  if (problems.length > 0) throw new ConfigurationError(problems)
  return { ...settings, SIDEGATE_DATA_DIR: resolve(settings.SIDEGATE_DATA_DIR) }
}

/** The base of the URLs by which something that listens at `host` is reached from here. */
export const urlOf = (host: string, port: number): string => {
  const reached = /^(::|0\.0\.0\.0)$/.test(host) ? LOOPBACK : host
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`
}
