import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { commandSucceeds, runCommand } from './run-command.ts'

/** From asking an orphan to stop until it is killed. */
const STOP_TIMEOUT_MS = 8_000
const POLL_MS = 50

/**
 * Clears the way for a server on `serverDir`, after a run that was cut off: a server that outlived it is stopped, and
 * a lock file that names no server of this folder is removed (its number may be another process's by now, which
 * PostgreSQL would take for itself).
 *
 * @param supervisorPid who started a server there last; while it is still that server's parent, the folder is in use
 * @throws Error where the folder is in use by another run
 */
export const clearOrphan = async (
  serverDir: string,
  supervisorPid: number | undefined,
  say: (line: string) => void,
): Promise<void> => {
  const lockFile = join(serverDir, 'postmaster.pid')
  const pid = await pidIn(lockFile)
  if (pid === undefined) return
  const server = await processOf(pid)
  if (server === undefined || !isServerOf(server.command, serverDir)) {
    await rm(lockFile, { force: true })
    return
  }
  if (server.parentPid === supervisorPid) {
    throw new Error(
      `${serverDir} is in use by another run (process ${supervisorPid}): stop that, or keep the data elsewhere (SIDEGATE_DATA_DIR)`,
    )
  }
  say(`stopping a PostgreSQL server (process ${pid}) that an earlier run has left on ${serverDir}`)
  await stopProcess(pid)
}

const pidIn = async (lockFile: string): Promise<number | undefined> => {
  try {
    const pid = Number.parseInt(await readFile(lockFile, 'utf8'), 10)
    return Number.isNaN(pid) ? undefined : pid
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

interface RunningProcess {
  readonly parentPid: number
  readonly command: string
}

const processOf = async (pid: number): Promise<RunningProcess | undefined> =>
  process.platform === 'linux' ? processInProc(pid) : processByPs(pid)

/** Not by `ps`, which small images lack. */
const processInProc = async (pid: number): Promise<RunningProcess | undefined> => {
  try {
    const [status, command] = await Promise.all([
      readFile(`/proc/${pid}/status`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ])
    return { parentPid: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]), command: command.replaceAll('\0', ' ') }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

const processByPs = async (pid: number): Promise<RunningProcess | undefined> => {
  if (!(await commandSucceeds('ps', ['-p', String(pid)]))) return undefined
  const line = await runCommand('ps', ['-o', 'ppid=,command=', '-p', String(pid)])
  const [, parentPid, command = ''] = /^\s*(\d+)\s+(.*)/.exec(line) ?? []
  return { parentPid: Number(parentPid), command }
}

const isServerOf = (command: string, serverDir: string): boolean =>
  command.includes('postgres') && command.includes(serverDir)

const stopProcess = async (pid: number): Promise<void> => {
  // A fast shutdown; one that was frozen must wake to obey it.
  process.kill(pid, 'SIGINT')
  process.kill(pid, 'SIGCONT')
  const deadlineMs = performance.now() + STOP_TIMEOUT_MS
  while (isAlive(pid)) {
    if (performance.now() > deadlineMs) process.kill(pid, 'SIGKILL')
    await delay(POLL_MS)
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
