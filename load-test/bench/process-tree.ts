import { readdir, readFile } from 'node:fs/promises'

/** Fields of proc_pid_stat(5). Times are in clock ticks. */
export interface ProcessStat {
  readonly pid: number
  readonly parentPid: number
  /** Of all its threads, those that have ended too. */
  readonly ownTicks: number
  /** Of its children that have ended and been waited for. */
  readonly endedChildrenTicks: number
}

/** The second field is the program's name in parentheses, which may hold spaces and parentheses itself. */
export const parseStat = (line: string): ProcessStat => {
  const nameEnd = line.lastIndexOf(')')
  const pid = Number.parseInt(line, 10)
  // From the third field on: state, ppid, …, utime (14th), stime, cutime, cstime.
  const fields = line.slice(nameEnd + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  const stat = {
    pid,
    parentPid: field(4),
    ownTicks: field(14) + field(15),
    endedChildrenTicks: field(16) + field(17),
  }
  if (nameEnd === -1 || Object.values(stat).some(Number.isNaN)) throw new Error(`no process status: ${line}`)
  return stat
}

/** The process and all that descend from it. */
export const treeOf = (rootPid: number, processes: readonly ProcessStat[]): ProcessStat[] => {
  const tree = processes.filter(({ pid }) => pid === rootPid)
  for (const member of tree) tree.push(...processes.filter(({ parentPid }) => parentPid === member.pid))
  return tree
}

/** Undefined where the process has ended meanwhile. */
const readOrGone = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

const readTree = async (rootPid: number): Promise<ProcessStat[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map((pid) => readOrGone(`/proc/${pid}/stat`)))
  return treeOf(
    rootPid,
    lines.filter((line) => line !== undefined).map((line) => parseStat(line)),
  )
}

/** What a tree of processes has used of the CPU so far, by two clocks. */
export interface CpuReading {
  /** From `stat`, in steps of 1/CLK_TCK s. */
  readonly statMicros: number
  /** From `schedstat` of each living thread, in nanoseconds; undefined where the kernel does not keep it. */
  readonly schedstatMicros: number | undefined
}

export const readTreeCpu = async (rootPid: number, ticksPerSecond: number): Promise<CpuReading> => {
  const tree = await readTree(rootPid)
  if (tree.length === 0) throw new Error(`process ${rootPid} has ended`)
  const ticks = tree.reduce((sum, { ownTicks, endedChildrenTicks }) => sum + ownTicks + endedChildrenTicks, 0)
  const onCpuNs = await Promise.all(tree.map(({ pid }) => threadsOnCpuNs(pid)))
  return {
    statMicros: (ticks * 1_000_000) / ticksPerSecond,
    schedstatMicros: onCpuNs.includes(undefined)
      ? undefined
      : onCpuNs.reduce<number>((sum, ns) => sum + (ns ?? 0), 0) / 1_000,
  }
}

const threadsOnCpuNs = async (pid: number): Promise<number | undefined> => {
  const threads = await readdir(`/proc/${pid}/task`)
  const lines = await Promise.all(threads.map((thread) => readOrGone(`/proc/${pid}/task/${thread}/schedstat`)))
  if (lines.every((line) => line === undefined)) return undefined
  return lines.reduce((sum, line) => sum + Number(line?.split(' ')[0] ?? 0), 0)
}

export type CpuSource = 'schedstat' | 'stat'

/** Two tick-based readings may each be off by a tick a process; `schedstat` is believed while it is as near as that. */
const AGREES_WITHIN_MICROS = 60_000
const AGREES_WITHIN_PART = 0.05

/** What was used between two readings: by the finer clock, where it agrees with the other. */
export const cpuBetween = (before: CpuReading, after: CpuReading): { micros: number; source: CpuSource } => {
  const statMicros = after.statMicros - before.statMicros
  if (before.schedstatMicros === undefined || after.schedstatMicros === undefined) {
    return { micros: statMicros, source: 'stat' }
  }
  const micros = after.schedstatMicros - before.schedstatMicros
  const agrees = Math.abs(micros - statMicros) <= AGREES_WITHIN_MICROS + statMicros * AGREES_WITHIN_PART
  return agrees ? { micros, source: 'schedstat' } : { micros: statMicros, source: 'stat' }
}

/** Memory that is resident, summed over the tree; pages that its processes share are counted for each. */
export const readTreeRssBytes = async (rootPid: number): Promise<number> => {
  const tree = await readTree(rootPid)
  const statuses = await Promise.all(tree.map(({ pid }) => readOrGone(`/proc/${pid}/status`)))
  return statuses.reduce((sum, status) => sum + Number(/^VmRSS:\s*(\d+) kB/m.exec(status ?? '')?.[1] ?? 0) * 1_024, 0)
}
