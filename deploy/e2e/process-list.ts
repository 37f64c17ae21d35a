import { readdir, readFile, readlink } from 'node:fs/promises'
import { runCommand } from '../local/run-command.ts'

export interface ProcessEntry {
  readonly pid: number
  readonly command: string
}

/**
 * The processes that stem from one run: they carry its marker in their environment, or work on its folder, as
 * PostgreSQL's do, which are started with an environment of their own.
 */
export const processesOf = async (marker: string, folder: string): Promise<ProcessEntry[]> =>
  process.platform === 'linux' ? processesInProc(marker, folder) : processesByPs(marker, folder)

const processesInProc = async (marker: string, folder: string): Promise<ProcessEntry[]> => {
  const entries: ProcessEntry[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const [command, environment, cwd] = await Promise.all([
      ofProcess(readFile(`/proc/${name}/cmdline`, 'utf8')),
      ofProcess(readFile(`/proc/${name}/environ`, 'utf8')),
      ofProcess(readlink(`/proc/${name}/cwd`)),
    ])
    // One that has ended and only waits for its parent to notice has no command line left.
    if (command === '') continue
    if (environment.includes(marker) || command.includes(folder) || cwd.startsWith(folder)) {
      entries.push({ pid: Number(name), command: command.replaceAll('\0', ' ').trim() })
    }
  }
  return entries
}

/** Empty where the process has ended meanwhile, or is another user's. */
const ofProcess = async (reading: Promise<string>): Promise<string> => {
  try {
    return await reading
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return ''
    throw error
  }
}

const processesByPs = async (marker: string, folder: string): Promise<ProcessEntry[]> => {
  const lines = (await runCommand('ps', ['-A', '-E', '-ww', '-o', 'pid=,command='])).split('\n')
  return lines
    .filter((line) => line.includes(marker) || line.includes(folder))
    .map((line) => ({ pid: Number.parseInt(line, 10), command: line.trim() }))
}
