import { percentile } from '../bench/statistics.ts'
import { added, type Tally } from './tally.ts'

/** One second of the demonstration. */
export interface Second {
  readonly atSeconds: number
  readonly attackers: Tally
  readonly users: Tally
  readonly userDurationsMs: readonly number[]
  readonly emergency: string
}

/** What is held against the targets; times are counted from the first request of the flood. */
export interface Result {
  readonly usersServedShare: number
  readonly usersRefused: Tally['refused']
  readonly usersP99Ms: number
  readonly attackersAdmittedShareLater: number
  readonly firstBlockSeconds: number | undefined
  readonly emergencySeconds: number | undefined
  readonly calmSeconds: number | undefined
}

/** From then on the attackers' admitted share is judged. */
const JUDGED_AFTER_SECONDS = 5
const TARGETS = { usersServedShare: 0.999, attackersAdmittedShareLater: 0.01 } as const

export const resultOf = (seconds: readonly Second[]): Result => {
  const users = added(seconds.map((second) => second.users))
  const later = added(
    seconds.filter(({ atSeconds }) => atSeconds > JUDGED_AFTER_SECONDS).map(({ attackers }) => attackers),
  )
  const first = (fits: (second: Second) => boolean) => seconds.find(fits)?.atSeconds
  const emergencySeconds = first(({ emergency }) => emergency === 'emergency')
  return {
    usersServedShare: share(users.admitted, users.sent),
    usersRefused: users.refused,
    usersP99Ms: percentile(
      seconds.flatMap(({ userDurationsMs }) => userDurationsMs),
      99,
    ),
    attackersAdmittedShareLater: share(later.admitted, later.sent),
    firstBlockSeconds: first(({ attackers }) => (attackers.refused[403] ?? 0) > 0),
    emergencySeconds,
    calmSeconds: first(
      ({ atSeconds, emergency }) =>
        emergency === 'calm' && emergencySeconds !== undefined && atSeconds > emergencySeconds,
    ),
  }
}

export const holds = ({ usersServedShare, attackersAdmittedShareLater }: Result): boolean =>
  usersServedShare >= TARGETS.usersServedShare && attackersAdmittedShareLater < TARGETS.attackersAdmittedShareLater

/** NaN of nothing. */
const share = (part: number, whole: number): number => part / whole

const percent = (value: number, digits = 1): string =>
  Number.isNaN(value) ? '–' : `${(100 * value).toFixed(digits)} %`

const COLUMNS = [
  ...['second', 'attackers/s', 'admitted', '429', '403', 'other'],
  ...['users/s', 'served', 'p99 ms', 'state'],
] as const

export const courseHead = (): string =>
  [
    `| ${COLUMNS.join(' | ')} |`,
    `|${COLUMNS.map((_, index) => (index === COLUMNS.length - 1 ? ' --- ' : ' ---: ')).join('|')}|`,
  ].join('\n')

export const courseRow = ({ atSeconds, attackers, users, userDurationsMs, emergency }: Second): string => {
  const { 429: limited = 0, 403: blocked = 0, ...others } = attackers.refused
  const other = Object.values(others).reduce((sum, count) => sum + count, 0)
  const p99 = percentile(userDurationsMs, 99)
  const cells = [
    ...[atSeconds, attackers.sent, percent(share(attackers.admitted, attackers.sent)), limited, blocked, other],
    ...[users.sent, percent(share(users.admitted, users.sent)), Number.isNaN(p99) ? '–' : Math.round(p99), emergency],
  ]
  return `| ${cells.join(' | ')} |`
}

const statuses = (refused: Tally['refused']): string =>
  Object.entries(refused)
    .map(([status, count]) => `${count} × ${status}`)
    .join(', ') || 'none'

const inSeconds = (seconds: number | undefined): string => (seconds === undefined ? 'never' : `within ${seconds} s`)

export const resultTable = (result: Result, solved: number): string => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['users’ requests that were served', percent(result.usersServedShare, 2), `≥ ${percent(TARGETS.usersServedShare)}`],
    ['users’ requests that were not, by status (0: no answer)', statuses(result.usersRefused), ''],
    ['users’ p99, puzzles included', `${Math.round(result.usersP99Ms)} ms`, ''],
    ['puzzles that users solved', String(solved), ''],
    [
      `attackers’ admitted share after ${JUDGED_AFTER_SECONDS} s`,
      percent(result.attackersAdmittedShareLater, 2),
      `< ${percent(TARGETS.attackersAdmittedShareLater)}`,
    ],
    ['first attacker blocked', inSeconds(result.firstBlockSeconds), ''],
    ['emergency', inSeconds(result.emergencySeconds), ''],
    ['calm again', inSeconds(result.calmSeconds), ''],
  ]
  return [
    '| figure | found | target |',
    '| --- | ---: | ---: |',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ].join('\n')
}
