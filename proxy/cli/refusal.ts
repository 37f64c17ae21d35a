import { STATUS_CODES } from 'node:http'
import { CliError, EXIT, type ExitStatus } from './exit-status.ts'
import { fieldsOf, listOf, told } from './fields.ts'
import { printable } from './printable.ts'
import { table } from './table.ts'

/** A refusal of the server; `problems` where it has told them. */
export class Refusal extends CliError {
  override readonly name = 'Refusal'
  readonly problems: string | undefined

  constructor(status: ExitStatus, message: string, problems: string | undefined, json: string | undefined) {
    super(status, message, json)
    this.problems = problems
  }
}

/** A refusal in words. @param body what it said; undefined where that was no JSON */
export const refusalOf = (status: number, body: unknown, text: string): Refusal => {
  const { detail, problems, correlationId } = fieldsOf(body)
  const said = typeof detail === 'string' ? printable(detail) : 'The server said no more than that.'
  const shown = problemTable(problems)
  const id = typeof correlationId === 'string' ? `, correlation ID ${printable(correlationId)}` : ''
  const lines = [
    said,
    ...(shown === undefined ? [] : [shown]),
    ...(status === 412 ? ['Look at that version ("policy show", "policy diff FILE"), then ask again.'] : []),
    `(${status} ${STATUS_CODES[status] ?? ''}${id})`,
  ]
  return new Refusal(exitStatusOf(status), lines.join('\n'), shown, body === undefined ? undefined : text)
}

const exitStatusOf = (status: number): ExitStatus => {
  if (status >= 500) return EXIT.unreachable
  return [401, 403, 429].includes(status) ? EXIT.unauthorized : EXIT.refused
}

/** Undefined where there are none. A problem is told whole: its end is the remedy. */
export const problemTable = (problems: unknown): string | undefined => {
  const rows = listOf(problems).map((problem) => {
    const { path, message } = fieldsOf(problem)
    return [told(path), told(message)]
  })
  return rows.length === 0
    ? undefined
    : table(
        [
          { title: 'path', limit: 100 },
          { title: 'problem', limit: 1_000 },
        ],
        rows,
      )
}
