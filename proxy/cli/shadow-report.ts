import { counted, type Fields, fieldsOf, listOf, told } from './fields.ts'
import { printable } from './printable.ts'
import { problemTable } from './refusal.ts'
import { table } from './table.ts'

/** What a candidate would have done otherwise: a list of the report, its words, and the fields that tell its entries apart. */
const PARTS = [
  { list: 'wouldRefuse', title: 'Would be refused, and are not', columns: ['route', 'refusal'] },
  { list: 'wouldAdmit', title: 'Would be admitted, and are refused', columns: ['route', 'refusal'] },
  { list: 'wouldChange', title: 'Would have another header', columns: ['route', 'header'] },
  { list: 'rerouted', title: 'Would be of another route', columns: ['from', 'to'] },
] as const

/** On one line. */
export const shadowSummary = (report: Fields): string => {
  const { author, at, problems, requests } = report
  const sums = fieldsOf(report.sums)
  const differences = PARTS.filter(({ list }) => isMore(sums[list])).map(({ list }) => `${list} ${told(sums[list])}`)
  const does = `${counted(requests, 'request')}, ${differences.join(', ') || 'no difference'}`
  return `a candidate of ${told(author)} since ${told(at)}: ${listOf(problems).length > 0 ? 'cannot be used here' : does}`
}

/** With a table for each kind of difference that there is. */
export const shadowReport = (report: Fields): string => {
  const { failed } = fieldsOf(report.sums)
  const head = `The candidate of ${told(report.author)} since ${told(report.at)}: ${counted(report.requests, 'request')} in the fleet.`
  const remarks = [
    ...(report.note === undefined ? [] : [`${told(report.note)}.`]),
    ...(isMore(failed) ? [`The candidate itself failed at ${told(failed)} of them.`] : []),
  ]
  const problems = problemTable(report.problems)
  const parts = PARTS.flatMap(({ list, title, columns }) => {
    const rows = listOf(report[list])
      .map(fieldsOf)
      .map((entry) => [...columns.map((column) => nameOf(entry[column])), told(entry.count)])
    return rows.length === 0 ? [] : [`${title}:\n${table([...columns, 'count'], rows)}`]
  })
  return [
    [head, ...remarks].map(printable).join('\n'),
    ...(problems === undefined ? [] : [`This instance cannot use it:\n${problems}`]),
    ...(parts.length === 0 && problems === undefined ? ['It would have done nothing otherwise.'] : parts),
  ].join('\n\n')
}

const isMore = (value: unknown): boolean => typeof value === 'number' && value > 0

/** No route of the policy is called so: names begin with a letter. */
const nameOf = (value: unknown): string => (value === null ? '(none)' : told(value))
