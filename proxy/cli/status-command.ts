import { circuitsInShort } from './circuit-commands.ts'
import { type Command, outcome } from './command.ts'
import { emergencyInShort } from './emergency-command.ts'
import { counted, type Fields, fieldsOf, isFields, listOf, percent, told } from './fields.ts'
import { labelledLines } from './labelled-lines.ts'
import { printable } from './printable.ts'
import { shadowSummary } from './shadow-report.ts'
import { table } from './table.ts'

export const status: Command = async ({ client }) => {
  const reply = await client.call('GET', '/api/status')
  client.need(reply, 'instance', (value) => typeof value === 'string')
  return outcome(reply, statusReport(reply.body))
}

/** One process, or what is the same for all workers of one with a table of those. */
export const statusReport = (status: Fields): string => {
  const { workers, token } = status
  const head = printable(`Sidegate ${told(status.version)}, ${told(status.instance)}`)
  const asked = isFields(token) ? [['you are', `${told(token.name)} (${told(token.role)})`]] : []
  if (!Array.isArray(workers)) return [head, labelledLines([...processLines(status), ...asked])].join('\n')
  const processes = workers.filter(isFields)
  return [
    head,
    labelledLines([
      ['started', told(status.startedAt)],
      ['workers', `${processes.length}, ${counted(status.restarts, 'restart')}`],
      ...shadowLine(status),
      ...asked,
    ]),
    '',
    workerTable(processes),
    ...processes.flatMap((worker) =>
      remarkLines(worker).map(([what, value]) => printable(`${told(worker.instance)}: ${what}: ${value}`)),
    ),
  ].join('\n')
}

type Line = readonly [what: string, value: string]

const processLines = (one: Fields): Line[] => [
  ['lifecycle', `${told(one.lifecycle)}, started ${told(one.startedAt)}`],
  ['in flight', inFlight(one.inFlight)],
  ...pool(one.upstream),
  ['policy', `version ${told(fieldsOf(one.policy).version)}`],
  ...remarkLines(one),
  ...emergencyLine(one),
  ['redis', redis(one.redis)],
  ['fleet', counted(one.fleetSize, 'instance')],
]

const workerTable = (workers: readonly Fields[]): string =>
  table(
    ['instance', 'lifecycle', 'in flight', 'policy', 'emergency', 'redis', 'fleet', 'reported'],
    workers.map((worker) => [
      told(worker.instance),
      told(worker.lifecycle),
      inFlight(worker.inFlight),
      told(fieldsOf(worker.policy).version),
      told(fieldsOf(worker.emergency).state),
      redis(worker.redis),
      told(worker.fleetSize),
      `${told(worker.reportAgeMs)} ms ago`,
    ]),
  )

/** What there is to say of a process only at times. */
const remarkLines = ({ circuits, policy, shadow }: Fields): Line[] => {
  const circuitsLine = circuitsInShort(listOf(circuits))
  const { refused, probation } = fieldsOf(policy)
  return [
    ...(isFields(refused)
      ? [
          [
            'refused',
            `version ${told(refused.version)} cannot be used here: ${problemsInShort(refused.problems)}`,
          ] as const,
        ]
      : []),
    ...(isFields(probation) ? [['probation', probationInWords(probation)] as const] : []),
    ...(circuitsLine === undefined ? [] : [['circuits', circuitsLine] as const]),
    ...shadowLine({ shadow }),
  ]
}

const emergencyLine = ({ emergency }: Fields): Line[] =>
  isFields(emergency) ? [['emergency', emergencyInShort(emergency)]] : []

const shadowLine = ({ shadow }: Fields): Line[] => (isFields(shadow) ? [['shadow', shadowSummary(shadow)]] : [])

const problemsInShort = (problems: unknown): string =>
  listOf(problems)
    .map((problem) => `${told(fieldsOf(problem).path)}: ${told(fieldsOf(problem).message)}`)
    .join('; ')

const probationInWords = ({ until, base, requests, badShare, badShareBefore }: Fields): string =>
  `until ${told(until)}, else back to version ${told(base)}; so far ${counted(requests, 'request')}, ` +
  `${percent(badShare)} bad (${percent(badShareBefore)} before)`

const inFlight = (value: unknown): string => {
  if (!isFields(value)) return '-'
  const { requests, upgrades, longestMs } = value
  const longest = typeof longestMs === 'number' && longestMs > 0 ? `, longest ${longestMs} ms` : ''
  return `${counted(requests, 'request')}, ${counted(upgrades, 'upgrade')}${longest}`
}

const pool = (value: unknown): Line[] => {
  if (!isFields(value)) return []
  const { connections, idle, queued } = value
  return [['upstream', `${counted(connections, 'connection')}, ${told(idle)} idle, ${told(queued)} waiting`]]
}

const redis = (value: unknown): string => {
  const { mode, shards } = fieldsOf(value)
  const lost = listOf(shards)
    .map(fieldsOf)
    .filter(({ state }) => state === 'open')
    .map(({ name, cause }) => `${told(name)} is lost (${told(cause)})`)
  if (mode === 'memory') return 'none (memory mode)'
  return mode === undefined ? '-' : `${told(mode)}: ${lost.length === 0 ? 'well' : lost.join('; ')}`
}
