import { parseArgs } from 'node:util'

export interface AttackOptions {
  readonly url: string
  readonly attackers: number
  readonly rate: number
  readonly users: number
  readonly seconds: number
}

export class OptionError extends Error {
  override readonly name = 'OptionError'
}

export const HELP = `npm run demo:attack [-- options]: floods a running "npm start" beside ordinary users, and tells how both fare

  --url URL        of a page behind the proxy, on this machine (http://127.0.0.1:8080/listings)
  --attackers n    addresses that the flood comes from, 1 to 10000 (100)
  --rate n         requests a second of the flood in all, 1 to 20000 (3000)
  --users n        ordinary users, 1 to 200 (20)
  --seconds n      of the flood, 6 to 120 (20)
  --help           this text

A policy for it is put in force by the admin port, and taken back at the end, as are the blocks that it led to. SIDEGATE_ADMIN_URL
(http://127.0.0.1:9090) and ADMIN_TOKEN_FILE (.data/admin-token, where "npm start" puts it) are read as by npm run sidegate.
`

const bounds = { attackers: [1, 10_000], rate: [1, 20_000], users: [1, 200], seconds: [6, 120] } as const

/** Undefined where only the help is asked for. @throws OptionError naming the option and what it may be */
export const readOptions = (args: readonly string[]): AttackOptions | undefined => {
  const { values } = parsed(args)
  if (values.help) return undefined
  const number = (name: keyof typeof bounds): number => {
    const [least, most] = bounds[name]
    const value = Number(values[name])
    if (Number.isInteger(value) && value >= least && value <= most) return value
    throw new OptionError(`--${name}: expected a whole number from ${least} to ${most}, got "${values[name]}"`)
  }
  return {
    url: urlOf(values.url),
    attackers: number('attackers'),
    rate: number('rate'),
    users: number('users'),
    seconds: number('seconds'),
  }
}

const parsed = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        url: { type: 'string', default: 'http://127.0.0.1:8080/listings' },
        attackers: { type: 'string', default: '100' },
        rate: { type: 'string', default: '3000' },
        users: { type: 'string', default: '20' },
        seconds: { type: 'string', default: '20' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new OptionError((error as Error).message)
  }
}

/** Floods go to this machine alone. */
const urlOf = (text: string): string => {
  const { protocol = '', hostname = '' } = URL.canParse(text) ? new URL(text) : {}
  if (protocol === 'http:' && /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(hostname)) return text
  throw new OptionError(
    `--url: expected an http URL of this machine, as in http://127.0.0.1:8080/listings, got "${text}"`,
  )
}
