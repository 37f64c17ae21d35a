import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { ConfigurationError, durationMs, loadEnvironment, optionalText } from '#shared/environment.ts'
import { fromCallersFolder } from './callers-folder.ts'

const isAdminUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === ''
}

const URL_MEANING = 'expected the URL of an admin port, as in http://127.0.0.1:9090'
const TOKEN_MEANING = 'a token without spaces'
const TOKEN = /^[\x21-\x7e\xa1-\xff]{1,1000}$/

/** What the operators' commands read from the environment. */
export const cliFields = z.object({
  SIDEGATE_ADMIN_URL: z
    .string()
    .default('http://127.0.0.1:9090')
    .refine(isAdminUrl, URL_MEANING)
    .describe('The admin port of the proxy that is asked.'),
  ADMIN_TOKEN: optionalText(TOKEN_MEANING, TOKEN).describe('The token that it is asked with.'),
  ADMIN_TOKEN_FILE: optionalText('the path of a file', /^[^\0]{1,1000}$/).describe(
    'A file that holds the token; used where `ADMIN_TOKEN` is unset.',
  ),
  // Below the 300 s after which fetch itself gives up on the head of a reply.
  SIDEGATE_TIMEOUT_MS: durationMs(10_000, { min: 1, max: 240_000 }).describe(
    'For one call; `drain --wait` waits for as long as it takes.',
  ),
})

export interface CliSettings {
  readonly adminUrl: string
  readonly token: string
  readonly timeoutMs: number
}

/** @throws ConfigurationError naming every bad variable, or the file that holds no token */
export const cliSettings = (environment: NodeJS.ProcessEnv): CliSettings => {
  const settings = loadEnvironment(cliFields, environment, [
    ({ ADMIN_TOKEN, ADMIN_TOKEN_FILE }) =>
      ADMIN_TOKEN === undefined && ADMIN_TOKEN_FILE === undefined && !isSet(environment, 'ADMIN_TOKEN')
        ? 'ADMIN_TOKEN is required: set it, or ADMIN_TOKEN_FILE, to a token that the proxy knows'
        : undefined,
  ])
  return {
    adminUrl: settings.SIDEGATE_ADMIN_URL,
    token: settings.ADMIN_TOKEN ?? tokenIn(settings.ADMIN_TOKEN_FILE ?? '', environment),
    timeoutMs: settings.SIDEGATE_TIMEOUT_MS,
  }
}

/** One that is set and bad has been told of already. */
const isSet = (environment: NodeJS.ProcessEnv, name: string): boolean => (environment[name]?.trim() ?? '') !== ''

const tokenIn = (file: string, environment: NodeJS.ProcessEnv): string => {
  const token = textOf(fromCallersFolder(file, environment)).trim()
  if (TOKEN.test(token)) return token
  throw new ConfigurationError([`ADMIN_TOKEN_FILE: ${file} does not hold ${TOKEN_MEANING}, and nothing else`])
}

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigurationError([`ADMIN_TOKEN_FILE: ${(error as Error).message}; name a file that this user may read`])
  }
}
