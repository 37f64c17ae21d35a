import { constants } from 'node:fs'
import { access, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { runCommand } from './run-command.ts'

/** A program that npm cannot bring. */
export interface SystemTool {
  readonly command: string
  readonly debianPackage: string
  /** Ends the sentence "… is needed for". */
  readonly purpose: string
}

export const REDIS: SystemTool = {
  command: 'redis-server',
  debianPackage: 'redis-server',
  purpose: 'the tests against a real Redis',
}

export const CURL: SystemTool = {
  command: 'curl',
  debianPackage: 'curl',
  purpose: 'the tests of the lines that npm start prints',
}

export const CHROMIUM: SystemTool = {
  command: 'chromium',
  debianPackage: 'chromium',
  purpose: 'the tests in a real browser',
}

/** What decides how a missing tool can be got. */
export interface Machine {
  readonly isRoot: boolean
  /** ID and ID_LIKE of os-release(5), e.g. `ubuntu debian`; empty where there is no such file. */
  readonly distribution: readonly string[]
  isOnPath(command: string): boolean
}

export type ToolPlan =
  | { readonly kind: 'nothing-missing' }
  | { readonly kind: 'install'; readonly packages: readonly string[] }
  | { readonly kind: 'impossible'; readonly message: string }

/** What is to be done so that every tool is there. A tool that is missing is never passed over. */
export const planTools = (tools: readonly SystemTool[], machine: Machine): ToolPlan => {
  const missing = tools.filter(({ command }) => !machine.isOnPath(command))
  if (missing.length === 0) return { kind: 'nothing-missing' }
  const packages = missing.map(({ debianPackage }) => debianPackage)
  const isDebian = machine.distribution.includes('debian') && machine.isOnPath('apt-get')
  if (isDebian && machine.isRoot) return { kind: 'install', packages }
  const wants = missing.map(({ command, purpose }) => `  ${command}, needed for ${purpose}`)
  const way = isDebian
    ? `Install them: sudo apt-get install --no-install-recommends ${packages.join(' ')}`
    : 'Install them with the package manager of this system, so that they are on the PATH.'
  return { kind: 'impossible', message: `Programs are missing:\n${wants.join('\n')}\n${way}` }
}

/**
 * Sees to it that the tools are on the PATH: as root on Debian and its kin by installing them, elsewhere by saying what
 * is missing.
 *
 * @throws Error that names what is missing and how to get it
 */
export const ensureTools = async (tools: readonly SystemTool[], say: (line: string) => void): Promise<void> => {
  const plan = planTools(tools, await thisMachine(tools))
  switch (plan.kind) {
    case 'nothing-missing':
      return
    case 'impossible':
      throw new Error(plan.message)
    case 'install': {
      say(`installing ${plan.packages.join(', ')} from the system's packages`)
      await installPackages(plan.packages)
      const after = planTools(tools, { ...(await thisMachine(tools)), isRoot: false })
      if (after.kind === 'impossible') throw new Error(after.message)
    }
  }
}

/** The path of a program, as a shell would find it. */
export const findOnPath = async (command: string): Promise<string | undefined> => {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = join(folder, command)
    try {
      await access(path, constants.X_OK)
      return path
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'ENOTDIR') throw error
    }
  }
  return undefined
}

const thisMachine = async (tools: readonly SystemTool[]): Promise<Machine> => {
  const found = new Set<string>()
  for (const command of ['apt-get', ...tools.map((tool) => tool.command)]) {
    if ((await findOnPath(command)) !== undefined) found.add(command)
  }
  return {
    isRoot: process.getuid?.() === 0,
    distribution: await distribution(),
    isOnPath: (command) => found.has(command),
  }
}

const distribution = async (): Promise<string[]> => {
  try {
    return distributionIds(await readFile('/etc/os-release', 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The words of ID and ID_LIKE in an os-release(5) file. */
export const distributionIds = (osRelease: string): string[] =>
  [...osRelease.matchAll(/^ID(?:_LIKE)?=["']?([^"'\n]*)["']?\s*$/gm)].flatMap(([, ids = '']) =>
    ids.split(' ').filter((id) => id !== ''),
  )

const installPackages = async (packages: readonly string[]): Promise<void> => {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Another installation may be under way, that of the machine's first start for one.
  const options = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120']
  await runCommand('apt-get', [...options, 'update'], { environment })
  await withoutServiceStart(() =>
    runCommand('apt-get', [...options, 'install', '--no-install-recommends', ...packages], { environment }),
  )
}

/** A Debian package starts its service at once, here a Redis on 6379, unless this script says no by status 101. */
const POLICY_SCRIPT = '/usr/sbin/policy-rc.d'

const withoutServiceStart = async <T>(install: () => Promise<T>): Promise<T> => {
  try {
    await writeFile(POLICY_SCRIPT, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' })
  } catch (error) {
    // The machine, a container most likely, has a policy of its own.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return install()
    throw error
  }
  try {
    return await install()
  } finally {
    await rm(POLICY_SCRIPT, { force: true })
  }
}
