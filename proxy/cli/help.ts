import { z } from 'zod'
import { commandNames, OPTIONS, type OptionName, shapeOf } from './commands.ts'
import { EXIT_MEANINGS } from './exit-status.ts'
import { cliFields } from './settings.ts'

/** Every command, variable and exit status, out of what defines them. */
export const helpText = (): string => `npm run sidegate -- COMMAND: asks a running proxy, by its admin port

${inColumns(commandNames.map((name) => [usageOf(name), shapeOf(name).meaning]))}

FILE is YAML or JSON, or a list of blocks; - is standard input. --json, with all but "blocks export", prints the API's
own JSON. A list has one block a line: RANGE, then perhaps its end (a time as in 2026-12-01T00:00:00Z, or permanent),
then perhaps a reason. Results go to stdout, everything else to stderr. npm prints lines of its own on stdout: in
scripts, use npm run -s sidegate -- COMMAND.

Variables:
${inColumns(variables())}

Exit status:
${inColumns(EXIT_MEANINGS.map(([status, meaning]) => [String(status), meaning]))}
`

const usageOf = (name: (typeof commandNames)[number]): string => {
  const { operand, options } = shapeOf(name)
  return [name, ...(operand === undefined ? [] : [operand]), ...options.map(optionUsage)].join(' ')
}

const optionUsage = (name: OptionName): string => {
  const option: { readonly value?: string } = OPTIONS[name]
  return option.value === undefined ? `[--${name}]` : `[--${name} ${option.value}]`
}

const variables = (): readonly (readonly [string, string])[] => {
  const { properties = {} } = z.toJSONSchema(cliFields, { io: 'input', unrepresentable: 'any' })
  return Object.entries(properties).map(([name, field]) => {
    const { default: byDefault, description = '' } = typeof field === 'boolean' ? {} : field
    return [name, `${description.replaceAll('`', '')}${byDefault === undefined ? '' : ` (${byDefault})`}`]
  })
}

/** What is longer stands on a line of its own. */
const LEFT_LIMIT = 44

const inColumns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([left]) => left.length).filter((length) => length <= LEFT_LIMIT))
  return rows
    .map(([left, right]) => {
      const isLong = left.length > width
      return `  ${isLong ? `${left}\n  ${' '.repeat(width)}` : left.padEnd(width)}  ${right}`
    })
    .join('\n')
}
