import { type Command, outcome } from './command.ts'
import { counted, type Fields, fieldsOf, isFields, listOf, told } from './fields.ts'
import { printable } from './printable.ts'
import { table } from './table.ts'

export const slo: Command = async ({ client }) => {
  const reply = await client.call('GET', '/api/slo')
  const objectives = client.need(reply, 'objectives', Array.isArray)
  const traffic = fieldsOf(client.need(reply, 'traffic', isFields))
  const promised = objectives.map(fieldsOf).flatMap(promises)
  return outcome(
    reply,
    [
      promised.length === 0 ? 'Nothing is promised: the policy has no slo.objectives.' : promiseTable(promised),
      ...alertLines(reply.body),
      '',
      trafficTable(traffic),
    ].join('\n'),
  )
}

interface PromiseRow {
  readonly name: string
  readonly days: string
  readonly of: Fields
}

const promises = ({ name, windowDays, availability, latency }: Fields): PromiseRow[] => [
  { name: `${told(name)}: answered`, days: told(windowDays), of: fieldsOf(availability) },
  ...(isFields(latency)
    ? [{ name: `${told(name)}: within ${told(latency.thresholdMs)} ms`, days: told(windowDays), of: latency }]
    : []),
]

const promiseTable = (promised: readonly PromiseRow[]): string =>
  table(
    ['promise', 'days', 'target', 'kept', 'of', 'budget left', 'burns (long/short window, of what alerts)'],
    promised.map(({ name, days, of }) => [
      ...[name, days, exact(of.target), exact(of.share), told(of.events), exact(of.budgetLeft)],
      listOf(of.burnRates).map(fieldsOf).map(burnText).join(' '),
    ]),
  )

/** What fires, and who has not accepted to be told. */
const alertLines = ({ alerts, notifications }: Fields): string[] => [
  ...listOf(alerts)
    .map(fieldsOf)
    .map(({ objective, promise, factor, since }) =>
      printable(`Alert: ${told(objective)}, ${told(promise)}: over ${told(factor)} since ${told(since)}`),
    ),
  ...listOf(notifications)
    .map(fieldsOf)
    .map(({ objective, change, webhook, attempts, dueAt }) => {
      const { kind, host } = fieldsOf(webhook)
      const what = `that ${told(objective)} ${change === 'fires' ? 'fires' : 'is over'}`
      return printable(
        `Not accepted: ${told(kind)} at ${told(host)}, ${what}; ${counted(attempts, 'attempt')}, next ${told(dueAt)}`,
      )
    }),
]

const burnText = ({ factor, long, short, isExceeded }: Fields): string => {
  const burn = (window: unknown): string => {
    const { burn: found } = fieldsOf(window)
    return typeof found === 'number' ? String(Number(found.toPrecision(2))) : '-'
  }
  return `${burn(long)}/${burn(short)} of ${told(factor)}${isExceeded === true ? '!' : ''}`
}

const trafficTable = ({ all, operations }: Fields): string =>
  table(
    ['traffic', 'in', 'good', 'bad', 'excluded', 'answered', 'p50', 'p95', 'p99', 'p99.9', 'why not good'],
    [
      ...listOf(all).map((window) => trafficRow('all', fieldsOf(window))),
      ...listOf(operations)
        .map(fieldsOf)
        .flatMap(({ name, traffic }) => listOf(traffic).map((window) => trafficRow(told(name), fieldsOf(window)))),
    ],
  )

const trafficRow = (name: string, window: Fields): string[] => {
  const { windowSeconds, good, bad, excluded, availability, latencyMs, verdicts } = window
  const { p50, p95, p99, p999 } = fieldsOf(latencyMs)
  const why = Object.entries(fieldsOf(verdicts)).filter(([verdict]) => verdict !== 'good')
  return [
    ...[name, inWords(windowSeconds), told(good), told(bad), told(excluded), exact(availability)],
    ...[p50, p95, p99, p999].map((ms) => (typeof ms === 'number' ? `${Number(ms.toPrecision(3))} ms` : '-')),
    why.map(([verdict, count]) => `${verdict} ${told(count)}`).join(', ') || '-',
  ]
}

const UNITS = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
] as const

const inWords = (seconds: unknown): string => {
  const [length, unit] = UNITS.find(([length]) => typeof seconds === 'number' && seconds >= length) ?? [1, 's']
  return typeof seconds === 'number' ? `${seconds / length} ${unit}` : '-'
}

/** 99.95 % is not 100 %: as many digits as it takes. `-` where there is no data. */
const exact = (share: unknown): string => (typeof share === 'number' ? `${Number((share * 100).toFixed(3))} %` : '-')
