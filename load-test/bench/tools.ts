import { ensureTools, findOnPath, type SystemTool } from '../../deploy/local/system-tools.ts'

const purpose = 'npm run bench'

const REQUIRED: readonly SystemTool[] = [
  { command: 'wrk', debianPackage: 'wrk', purpose: `${purpose}, to make load` },
  { command: 'nginx', debianPackage: 'nginx-light', purpose: `${purpose}, as the upstream` },
  { command: 'taskset', debianPackage: 'util-linux', purpose: `${purpose}, to hold processes to their cores` },
]

export const H2LOAD: SystemTool = {
  command: 'h2load',
  debianPackage: 'nghttp2-client',
  purpose: 'latency at a fixed rate',
}

type Say = (line: string) => void

/** @throws Error that names what is missing and how to get it */
export const ensureRequiredTools = async (say: Say): Promise<void> => {
  if (process.platform !== 'linux')
    throw new Error('npm run bench reads /proc and pins processes to cores: it needs Linux')
  await ensureTools(REQUIRED, say)
}

/** Installs a program where that can be done. @returns why it is missing; undefined where it is there */
export const whyMissing = async (tool: SystemTool, say: Say): Promise<string | undefined> => {
  if ((await findOnPath(tool.command)) !== undefined) return undefined
  try {
    await ensureTools([tool], say)
    return undefined
  } catch (error) {
    say((error as Error).message)
    return `there is no ${tool.command} on the PATH (Debian's package ${tool.debianPackage})`
  }
}
