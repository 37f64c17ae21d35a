import { parentPort, workerData } from 'node:worker_threads'
import { type ParsedText, parseYaml } from './yaml.ts'

/** Aliases let a text become far more than it is. */
const GROWTH_LIMIT = 10

const parse = (text: string): ParsedText => {
  const parsed = parseYaml(text)
  const limit = GROWTH_LIMIT * text.length
  if (parsed.kind === 'bad' || JSON.stringify(parsed.document).length <= limit) return parsed
  return {
    kind: 'bad',
    problems: [{ path: 'the whole', message: `has aliases by which it grows more than ${GROWTH_LIMIT} times` }],
  }
}

parentPort?.postMessage(parse(workerData as string))
