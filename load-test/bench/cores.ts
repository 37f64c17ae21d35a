import { readFile } from 'node:fs/promises'
import { runCommand } from '../../deploy/local/run-command.ts'

/** CPUs in the form that `taskset -c` takes, e.g. `0` or `2,3`. */
type CpuList = string

/** Who runs where, so that what is measured does not share a core with what measures it. */
export interface CorePlan {
  /** Of the upstream, the load generator and the benchmark itself. */
  readonly load: CpuList
  readonly proxy: CpuList
  /** Whether there is one core for both; figures are then worth little. */
  readonly isShared: boolean
  /** Two cores each, where there are four, for the scenario with two workers. */
  readonly pairs: { readonly load: CpuList; readonly proxy: CpuList } | undefined
}

export const planCores = (cpus: readonly number[]): CorePlan => {
  const [first, second, third, fourth] = cpus
  if (first === undefined) throw new Error('this process may run on no CPU')
  return {
    load: String(first),
    proxy: String(second ?? first),
    isShared: second === undefined,
    pairs:
      third === undefined || fourth === undefined
        ? undefined
        : { load: `${first},${second}`, proxy: `${third},${fourth}` },
  }
}

/** `0-3,8` → 0, 1, 2, 3, 8; the form of `Cpus_allowed_list` in proc_pid_status(5). */
export const parseCpuList = (list: string): number[] =>
  list
    .trim()
    .split(',')
    .flatMap((range) => {
      const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []
      if (from === undefined) throw new Error(`no list of CPUs: ${list}`)
      return Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => Number(from) + index)
    })

/** The CPUs that this process may run on. */
export const allowedCpus = async (): Promise<number[]> => {
  const status = await readFile('/proc/self/status', 'utf8')
  return parseCpuList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '')
}

/** Moves the benchmark itself, with all its threads, off the core of the proxy. */
export const pinOurselves = async (cpus: CpuList): Promise<void> => {
  await runCommand('taskset', ['-a', '-c', '-p', cpus, String(process.pid)])
}
