import { z } from 'zod'

/** Exit status for a configuration error: EX_CONFIG of sysexits(3). */
export const EX_CONFIG = 78

/** Every problem of a configuration at once; each line starts with the variable's name. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`Bad configuration:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

type Source = Readonly<Record<string, string | undefined>>

/** A rule that spans several variables; returns the problem, named by variable, or undefined. */
export type CrossCheck<T> = (settings: Partial<T>) => string | undefined

/**
 * Reads the variables that `schema` names out of `source`. A variable that is set but empty counts as unset, as
 * Compose files and Kubernetes manifests leave them.
 *
 * @throws ConfigurationError naming every bad variable, and every broken cross check over the good ones.
 */
export const loadEnvironment = <Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  source: Source,
  crossChecks: readonly CrossCheck<z.output<z.ZodObject<Shape>>>[] = [],
): z.output<z.ZodObject<Shape>> => {
  const given = Object.fromEntries(
    Object.keys(schema.shape)
      .map((name) => [name, source[name]?.trim()] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = schema.safeParse(given)
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => {
        const name = String(issue.path[0] ?? '')
        return given[name] === undefined
          ? `${name} is required: ${issue.message}`
          : `${name}: ${issue.message} (got ${quote(given[name], name)})`
      })
  const settled = parsed.success ? parsed.data : goodFields(schema, given)
  for (const crossCheck of crossChecks) {
    const problem = crossCheck(settled as Partial<z.output<z.ZodObject<Shape>>>)
    if (problem !== undefined) problems.push(problem)
  }
  if (!parsed.success || problems.length > 0) throw new ConfigurationError(problems)
  return parsed.data
}

/** Runs `read`; a ConfigurationError is printed whole on stderr and ends the process with status 78. */
export const orExit = <T>(read: () => T): T => {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return exitBadConfiguration(error)
  }
}

/** Says what is wrong on stderr and ends the process with status 78. */
export const exitBadConfiguration = (error: ConfigurationError): never => {
  process.stderr.write(`${error.message}\n`)
  process.exit(EX_CONFIG)
}

const goodFields = (schema: z.ZodObject, given: Record<string, string | undefined>): Record<string, unknown> => {
  const good: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(schema.shape)) {
    const parsed = z.safeParse(field, given[name])
    if (parsed.success) good[name] = parsed.data
  }
  return good
}

/** A value that may hold a password is not repeated in an error message. */
const quote = (value: string, name: string): string =>
  /SECRET|TOKEN|PASSWORD|KEY|^(REDIS|DATABASE)_\w*(URLS?|SENTINELS|NODES)$/.test(name) || value.includes('@')
    ? 'a value that is not shown'
    : JSON.stringify(value)

const wholeNumber = (min: number, max: number, meaning: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected ${meaning}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected ${meaning}`)

/** A TCP port, 1–65535; 0 lets the system choose. */
export const port = (byDefault: number) =>
  wholeNumber(0, 65_535, 'a port between 0 and 65535').prefault(String(byDefault))

/** A time in whole milliseconds. */
export const durationMs = (byDefault: number, limits: { min: number; max: number }) =>
  wholeNumber(limits.min, limits.max, `whole milliseconds between ${limits.min} and ${limits.max}`).prefault(
    String(byDefault),
  )

/** A number of things, or of bytes. */
export const count = (byDefault: number, limits: { min: number; max: number }) =>
  wholeNumber(limits.min, limits.max, `a whole number between ${limits.min} and ${limits.max}`).prefault(
    String(byDefault),
  )

/** One of a few words. */
export const choice = <const T extends readonly [string, ...string[]]>(words: T, byDefault: T[number]) =>
  z.enum(words, { error: `expected one of ${words.join(', ')}` }).default(byDefault as never)

/** A text that may be left out. */
export const optionalText = (meaning: string, pattern: RegExp) =>
  z.string().regex(pattern, `expected ${meaning}`).optional()

/** Fields that both processes read, and `npm start` passes on. */
export const commonFields = {
  LOG_LEVEL: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info').describe(
    'The least that is logged.',
  ),
  LOG_FORMAT: choice(['auto', 'json', 'pretty'], 'auto').describe('`auto` is `pretty` on a terminal, else `json`.'),
  SIDEGATE_INSTANCE_ID: optionalText(
    'an instance ID of 1 to 128 letters, digits, ".", "_" or "-"',
    /^[A-Za-z0-9._-]{1,128}$/,
  ).describe('Names this process in logs, metrics and status; unset, an ID is minted at each start.'),
  DRAIN_DELAY_MS: durationMs(5_000, { min: 0, max: 600_000 }).describe(
    'How long a draining process, unready already, serves on while load balancers take notice.',
  ),
  DRAIN_TIMEOUT_MS: durationMs(30_000, { min: 100, max: 3_600_000 }).describe(
    'From the signal until what is still in flight is cut.',
  ),
}

/** A drain that times out before its delay ends would cut every request that the delay was meant to save. */
export const drainTimeoutPastDelay: CrossCheck<{ DRAIN_DELAY_MS: number; DRAIN_TIMEOUT_MS: number }> = (settings) =>
  settings.DRAIN_DELAY_MS !== undefined &&
  settings.DRAIN_TIMEOUT_MS !== undefined &&
  settings.DRAIN_TIMEOUT_MS <= settings.DRAIN_DELAY_MS
    ? `DRAIN_TIMEOUT_MS (${settings.DRAIN_TIMEOUT_MS}) must be greater than DRAIN_DELAY_MS (${settings.DRAIN_DELAY_MS}): raise the one or lower the other`
    : undefined
