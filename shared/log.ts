import { createRequire } from 'node:module'
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'
import type PinoPretty from 'pino-pretty'
import type { Instance } from './instance.ts'

export type { Logger } from 'pino'

export interface LogSettings {
  readonly LOG_LEVEL: string
  /** `auto` is readable and coloured on a terminal, and JSON otherwise. */
  readonly LOG_FORMAT: 'auto' | 'json' | 'pretty'
}

/** The process's logger: one JSON object a line on stdout, stamped with who writes. Credentials are masked. */
export const createLogger = (settings: LogSettings, instance: Instance, destination?: DestinationStream): Logger => {
  const readable = settings.LOG_FORMAT === 'pretty' || (settings.LOG_FORMAT === 'auto' && process.stdout.isTTY === true)
  const stream =
    destination ??
    (readable
      ? readableStream()({
          colorize: process.env.NO_COLOR === undefined,
          ignore: 'pid,hostname,process,instance',
          messageFormat: '{process} · {msg}',
          translateTime: 'SYS:HH:MM:ss.l',
          singleLine: true,
          sync: true,
        })
      : pino.destination({ dest: 1, sync: true }))
  return pino(
    {
      level: settings.LOG_LEVEL,
      base: { process: instance.process, instance: instance.id },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['*.authorization', '*.cookie', '*.password', 'req.headers'], censor: '[masked]' },
    },
    stream,
  )
}

/** Loaded where it is wanted only: in production it would be memory that nobody uses. */
const readableStream = (): typeof PinoPretty => createRequire(import.meta.url)('pino-pretty')
