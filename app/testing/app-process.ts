import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

const MAIN = join(import.meta.dirname, '..', 'main.ts')

type LogLine = Readonly<Record<string, unknown>>

/** For tests: the app as it is run, a process of its own. */
export interface AppProcess {
  /** Every line logged so far. */
  readonly lines: readonly LogLine[]
  /** The first line with this message, past or to come. @throws Error where the process ends without it */
  line(message: string): Promise<LogLine>
  /** Where it listens, once it serves. */
  serving(): Promise<string>
  signal(signal: NodeJS.Signals): void
  /** Resolves when it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>
}

/** Starts it with nothing in its environment but what is given, on a free port and without a drain delay unless told. */
export const startAppProcess = (environment: Readonly<Record<string, string>>): AppProcess => {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { LOG_FORMAT: 'json', DRAIN_DELAY_MS: '0', ...environment },
  })
  const lines: LogLine[] = []
  const changes = new EventEmitter().setMaxListeners(0)
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line))
    changes.emit('change')
  })
  const stderr = text(child.stderr)
  let hasEnded = false
  const ended = once(child, 'close').then(async ([code]) => {
    hasEnded = true
    changes.emit('change')
    return { code: code as number | null, stderr: await stderr }
  })
  const line = async (message: string): Promise<LogLine> => {
    for (;;) {
      const found = lines.find(({ msg }) => msg === message)
      if (found !== undefined) return found
      if (hasEnded) throw new Error(`it ended without saying "${message}": ${await stderr}\n${JSON.stringify(lines)}`)
      await once(changes, 'change')
    }
  }
  return {
    lines,
    line,
    serving: async () => {
      await line('serving')
      return String((await line('listening')).address)
    },
    signal: (signal) => {
      child.kill(signal)
    },
    ended,
  }
}
