import type { ParsedText } from './yaml.ts'

/** What is longer is read on a thread of its own: a megabyte of YAML takes seconds, and requests would wait for them. */
const SHORT_CHARACTERS = 8_192
const TIMEOUT_MS = 20_000
/** For the thread; a text that needs more is no document that people write. */
const MEMORY_LIMIT_MB = 256
/** One thread at a time, since each takes memory; so many texts may wait for it. */
const WAITING_LIMIT = 8

let waiting = 0
let last: Promise<unknown> = Promise.resolve()

/** Reads YAML without holding up what else this process does. */
export const parseYamlApart = async (text: string): Promise<ParsedText> => {
  if (text.length <= SHORT_CHARACTERS) return (await import('./yaml.ts')).parseYaml(text)
  if (waiting >= WAITING_LIMIT) return refused('others are being read at the moment: send it again')
  waiting++
  const reading = last.then(() => parseOnThread(text)).finally(() => waiting--)
  last = reading
  return reading
}

const refused = (why: string): ParsedText => ({ kind: 'bad', problems: [{ path: 'the whole', message: why }] })

/** Never rejects. */
const parseOnThread = async (text: string): Promise<ParsedText> => {
  const { Worker } = await import('node:worker_threads')
  // With the flags of this process: what spares it the transpiler spares the thread, too.
  const thread = new Worker(new URL('./yaml-thread.ts', import.meta.url), {
    workerData: text,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_LIMIT_MB },
  })
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<ParsedText>((resolve) => {
      timer = setTimeout(() => resolve(refused(`takes more than ${TIMEOUT_MS / 1_000} s to read`)), TIMEOUT_MS)
      thread.once('message', resolve)
      thread.once('error', (error: unknown) => resolve(refused((error as Error).message)))
      thread.once('exit', () => resolve(refused('could not be read')))
    })
  } finally {
    clearTimeout(timer)
    await thread.terminate()
  }
}
