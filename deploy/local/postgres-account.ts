import { type Account, CommandError, commandSucceeds, runCommand } from './run-command.ts'

const ACCOUNT_NAME = 'postgres'

/** Tried in order: shadow-utils (most distributions), then BusyBox (Alpine). */
const CREATE_COMMANDS = [
  ['useradd', '--system', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'],
  ['adduser', '-S', '-D', '-H', '-s', '/sbin/nologin'],
] as const

/**
 * Who PostgreSQL runs as. It refuses to run as root, so root lends it the system user `postgres`, which is made where
 * it is missing; anyone else runs it as they are (undefined).
 *
 * @throws Error that says what to do, where the user is missing and cannot be made
 */
export const postgresAccount = async (): Promise<Account | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  return (await findAccount()) ?? (await createAccount())
}

const findAccount = async (): Promise<Account | undefined> => {
  if (!(await commandSucceeds('id', [ACCOUNT_NAME]))) return undefined
  const [uid, gid] = await Promise.all([runCommand('id', ['-u', ACCOUNT_NAME]), runCommand('id', ['-g', ACCOUNT_NAME])])
  return { name: ACCOUNT_NAME, uid: Number(uid), gid: Number(gid) }
}

const createAccount = async (): Promise<Account> => {
  const failures: string[] = []
  for (const [command, ...args] of CREATE_COMMANDS) {
    try {
      await runCommand(command, [...args, ACCOUNT_NAME])
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      failures.push(error.message)
      continue
    }
    const account = await findAccount()
    if (account !== undefined) return account
  }
  throw new Error(
    `PostgreSQL does not run as root, and the system user "${ACCOUNT_NAME}" could not be made. ` +
      `Make it (useradd --system ${ACCOUNT_NAME}), or run this as an ordinary user.\n${failures.join('\n')}`,
  )
}
