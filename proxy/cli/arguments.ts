import { parseArgs } from 'node:util'
import type { Role } from '../admin/tokens.ts'
import { COMMON_OPTIONS, type CommandName, commandNames, OPTIONS, type OptionName, shapeOf } from './commands.ts'
import { usageError } from './exit-status.ts'
import { nearest } from './suggestion.ts'

/** A command as it was typed, checked. */
export interface Invocation {
  readonly name: CommandName
  readonly operand: string | undefined
  readonly from: number | undefined
  readonly limit: number | undefined
  readonly role: Role
  readonly reason: string | undefined
  readonly seconds: number | undefined
  readonly isWithoutProbation: boolean
  readonly isEnd: boolean
  readonly isWaiting: boolean
  readonly source: 'auto' | 'manual' | undefined
  readonly isPermanent: boolean
  /** Ranges, with commas between them. */
  readonly confirm: string | undefined
  /** What to purge: the option, and its values with commas between them. */
  readonly purge: { readonly by: 'url' | 'tag' | 'prefix' | 'everything'; readonly values: string } | undefined
  readonly isHard: boolean
  readonly isJson: boolean
}

/** @throws CliError (usage) naming what is wrong, and what was probably meant */
export const readArguments = (args: readonly string[]): Invocation => {
  const { words, options } = split(args)
  const name = words.length === 0 || options.has('help') ? 'help' : commandOf(words)
  const operand = operandOf(name, name === 'help' ? [] : words.slice(name.split(' ').length))
  const { options: accepted } = shapeOf(name)
  for (const option of options.keys()) {
    if (name !== 'help' && !accepted.includes(option) && !COMMON_OPTIONS.includes(option)) {
      throw usageError(`"${name}" takes no --${option}.`)
    }
  }
  if (options.has('end') && operand !== undefined) throw usageError('"policy shadow" takes a FILE or --end, not both.')
  if (name === 'emergency') checkEmergency(operand, options)
  if (options.has('seconds') && options.has('permanent')) {
    throw usageError(`"${name}" takes --seconds N or --permanent, not both.`)
  }
  return {
    name,
    operand,
    from: wholeNumber('--from', options.get('from'), 0),
    limit: wholeNumber('--limit', options.get('limit'), 1),
    role: roleOf(options.get('role')),
    reason: options.get('reason'),
    seconds: wholeNumber('--seconds', options.get('seconds'), 1),
    isWithoutProbation: options.has('no-probation'),
    isEnd: options.has('end'),
    isWaiting: options.has('wait'),
    source: sourceOf(options.get('source')),
    isPermanent: options.has('permanent'),
    confirm: options.get('confirm'),
    purge: name === 'purge' ? purgeOf(operand, options) : undefined,
    isHard: options.has('hard'),
    isJson: options.has('json'),
  }
}

const PURGED_BY = ['url', 'tag', 'prefix', 'everything'] as const

/** What is to be purged, or, by its ID, which purge is asked after. */
const purgeOf = (id: string | undefined, options: ReadonlyMap<OptionName, string | undefined>): Invocation['purge'] => {
  const [by, ...others] = PURGED_BY.filter((option) => options.has(option))
  if (id !== undefined && (by !== undefined || options.has('hard')))
    throw usageError('"purge" takes an ID or what to purge, not both.')
  if (id !== undefined) return undefined
  if (by === undefined || others.length > 0)
    throw usageError('"purge" takes one of --url, --tag, --prefix and --everything, or an ID.')
  return { by, values: options.get(by) ?? '' }
}

interface Split {
  readonly words: readonly string[]
  readonly options: ReadonlyMap<OptionName, string | undefined>
}

const split = (args: readonly string[]): Split => {
  const config = Object.fromEntries(
    Object.entries(OPTIONS).map(([name, option]) => [
      name,
      { type: 'value' in option ? ('string' as const) : ('boolean' as const), ...(name === 'help' && { short: 'h' }) },
    ]),
  )
  // Not strict: what is wrong is told below, with what was probably meant.
  const { tokens } = parseArgs({
    args: [...args],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const words: string[] = []
  const options = new Map<OptionName, string | undefined>()
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    if (!isOption(token.name))
      throw usageError(`There is no option ${token.rawName}${perhaps(optionMeant(token.rawName))}`)
    if (options.has(token.name)) throw usageError(`--${token.name} is given twice.`)
    const takesValue = 'value' in OPTIONS[token.name]
    if (takesValue && (token.value ?? '') === '') throw usageError(`--${token.name} needs a value.`)
    if (!takesValue && token.value !== undefined) throw usageError(`--${token.name} takes no value.`)
    options.set(token.name, token.value)
  }
  return { words, options }
}

const isOption = (name: string): name is OptionName => Object.hasOwn(OPTIONS, name)

const optionMeant = (typed: string): string | undefined =>
  nearest(
    typed,
    Object.keys(OPTIONS).map((name) => `--${name}`),
  )

const commandOf = (words: readonly string[]): CommandName => {
  // Of "blocks" and "blocks export" the longer one is meant.
  const named = commandNames.findLast((name) => name.split(' ').every((word, index) => words[index] === word))
  if (named !== undefined) return named
  const [first = '', second] = words
  const siblings = commandNames.filter((name) => name.startsWith(`${first} `))
  if (siblings.length > 0 && second === undefined) throw usageError(`Which one: ${siblings.join(', ')}?`)
  const typed = siblings.length > 0 ? `${first} ${second}` : first
  throw usageError(`There is no command "${typed}"${perhaps(commandMeant(first, second))}`)
}

/** "polcy shwo" and "history" are as likely to be meant for a command of two words as "statsu" is for one. */
const commandMeant = (first: string, second: string | undefined): string | undefined => {
  const last = nearest(
    first,
    commandNames.map((name) => lastWord(name)),
  )
  return (
    (second === undefined ? undefined : nearest(`${first} ${second}`, commandNames)) ??
    nearest(first, [...commandNames, 'policy']) ??
    commandNames.find((name) => lastWord(name) === last)
  )
}

const lastWord = (name: string): string => name.slice(name.lastIndexOf(' ') + 1)

const perhaps = (meant: string | undefined): string => (meant === undefined ? '.' : `; did you mean "${meant}"?`)

const operandOf = (name: CommandName, operands: readonly string[]): string | undefined => {
  const { operand: expected } = shapeOf(name)
  const [operand, ...more] = operands
  const surplus = expected === undefined ? operand : more[0]
  if (surplus !== undefined) throw usageError(`"${name}" does not take "${surplus}".`)
  if (operand === undefined && expected !== undefined && !expected.startsWith('[')) {
    throw usageError(`"${name}" needs a ${expected}${expected === 'FILE' ? ' ("-" is standard input)' : ''}.`)
  }
  if (expected === 'VERSION' || expected === '[VERSION]') wholeNumber('VERSION', operand, 0)
  return operand
}

const wholeNumber = (what: string, given: string | undefined, least: number): number | undefined => {
  if (given === undefined) return undefined
  if (!/^\d{1,15}$/.test(given) || Number(given) < least) {
    throw usageError(`${what}: expected a whole number from ${least}, got "${given}".`)
  }
  return Number(given)
}

const checkEmergency = (mode: string | undefined, options: Split['options']): void => {
  if (mode === undefined) {
    for (const option of ['reason', 'seconds'] as const) {
      if (options.has(option)) throw usageError(`"emergency" takes --${option} with a MODE: on, off or auto.`)
    }
  } else if (!['on', 'off', 'auto'].includes(mode)) {
    throw usageError(`MODE: expected on, off or auto, got "${mode}".`)
  } else if (mode === 'auto' && options.has('seconds')) {
    throw usageError('--seconds is for on and off: auto has no end.')
  }
}

const sourceOf = (given: string | undefined): 'auto' | 'manual' | undefined => {
  if (given === undefined || given === 'auto' || given === 'manual') return given
  throw usageError(`--source: expected auto or manual, got "${given}".`)
}

const roleOf = (given: string | undefined): Role => {
  if (given === undefined || given === 'read') return 'read'
  if (given === 'operate') return 'operate'
  throw usageError(`--role: expected read or operate, got "${given}".`)
}
