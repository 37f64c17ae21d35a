import { parseArgs } from 'node:util'
import { peerNames } from './peers/all-peers.ts'
import { scenarios } from './scenarios.ts'

export interface BenchOptions {
  readonly peers: readonly string[]
  readonly scenarios: readonly string[]
  readonly rounds: number
  readonly seconds: number
  /** Of each Node peer in each scenario; others get a second. */
  readonly warmUpSeconds: number
  readonly out: string
  readonly layers: boolean
  readonly micro: boolean
}

const scenarioNames = scenarios.map(({ name }) => name)
const DEFAULT_OUT = 'load-test/results'
const WARM_UP_SECONDS = 5

export const HELP = `npm run bench [-- options]: Sidegate's CPU, memory and latency beside other proxies

  --peers a,b      of ${peerNames.join(', ')} (all)
  --scenario a,b   of ${scenarioNames.join(', ')} (all)
  --rounds n       over all peers, each begun with another one (5)
  --seconds n      of each measured window, whole ones (4)
  --layers         instead: what each layer of the proxy costs, by leaving it out
  --micro          instead: nanoseconds a call of the pure parts of the request path
  --quick          one round of one second: shows that it works, not how fast
  --out folder     for <date>.json and <date>.md (${DEFAULT_OUT})
  --help           this text

The tables go to stdout, the progress to stderr. Ctrl-C stops everything and prints what there is so far.
Needed on the PATH: wrk, nginx, taskset. Used where they are there: haproxy, caddy, h2load. As root on Debian they are
installed.
`

/** An option that is not there, or cannot be what it is said to be; the message is for the operator. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
}

/** @returns undefined where help is asked for. @throws OptionError naming what is valid */
export const readOptions = (args: readonly string[]): BenchOptions | undefined => {
  const given = parse(args)
  if (given.help === true) return undefined
  const isQuick = given.quick === true
  return {
    peers: names('peers', given.peers, peerNames),
    scenarios: names('scenario', given.scenario, scenarioNames),
    rounds: count('rounds', given.rounds, isQuick ? 1 : 5),
    seconds: count('seconds', given.seconds, isQuick ? 1 : 4),
    warmUpSeconds: isQuick ? 1 : WARM_UP_SECONDS,
    out: given.out ?? DEFAULT_OUT,
    layers: given.layers === true,
    micro: given.micro === true,
  }
}

const OPTIONS = {
  peers: { type: 'string' },
  scenario: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  out: { type: 'string' },
  layers: { type: 'boolean' },
  micro: { type: 'boolean' },
  quick: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (error) {
    const valid = Object.keys(OPTIONS).map((name) => `--${name}`)
    throw new OptionError(`${(error as Error).message}\nThe options are ${valid.join(', ')}.`)
  }
}

const names = (option: string, given: string | undefined, valid: readonly string[]): readonly string[] => {
  if (given === undefined) return valid
  const wanted = given.split(',').map((name) => name.trim())
  const unknown = wanted.filter((name) => !valid.includes(name))
  if (unknown.length > 0) {
    throw new OptionError(`--${option}: there is no ${unknown.join(', ')}; expected some of ${valid.join(', ')}`)
  }
  // In the order of the tables, and each once.
  return valid.filter((name) => wanted.includes(name))
}

const count = (option: string, given: string | undefined, otherwise: number): number => {
  if (given === undefined) return otherwise
  if (!/^[1-9]\d{0,3}$/.test(given)) throw new OptionError(`--${option}: expected a whole number from 1, got ${given}`)
  return Number(given)
}
