import { existsSync } from 'node:fs'
import { chmod, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { postgresAccount } from './postgres-account.ts'
import { startPostgresCluster } from './postgres-cluster.ts'
import { installedNativeDir, postgresFolders } from './postgres-folders.ts'

const isRoot = process.getuid?.() === 0

/** As `mktemp -d` makes it: no one but us may enter. */
const privateFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-private-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o700)
  return folder
}

const removedAfterwards = (folder: string): string => {
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe.runIf(isRoot)('for root, which lends PostgreSQL another user', () => {
  test('data that the user cannot reach are kept elsewhere, at the same place each time', async () => {
    const folder = await privateFolder()
    const lines: string[] = []
    const log = { info: (line: string) => lines.push(line), warn: () => 0, debug: () => 0 }
    const start = () => startPostgresCluster({ dataDir: join(folder, 'data'), durable: false, log })
    const first = await start()
    removedAfterwards(join(dirname(first.passFile), '..'))
    await first.stop()
    const second = await start()
    await second.stop()
    expect(first.passFile.startsWith(folder)).toBe(false)
    expect(second.passFile).toBe(first.passFile)
    expect(lines).toContainEqual(expect.stringMatching(/cannot enter .*: PostgreSQL's data is kept in/))
  })

  test('programs that the user cannot reach are copied, once for every clone', async () => {
    const folder = await privateFolder()
    // One that stands there may be in use, by this very run of the tests.
    const hadCopy = existsSync('/var/tmp/sidegate-postgres')
    const nativeDir = join(folder, 'native')
    await cp(installedNativeDir(), nativeDir, { recursive: true, verbatimSymlinks: true })
    const lines: string[] = []
    const reach = async () =>
      postgresFolders(join(folder, 'data'), await postgresAccount(), (line) => lines.push(line), nativeDir)
    const { binDir, dataDir, version } = await reach()
    removedAfterwards(join(dataDir, '..'))
    if (!hadCopy) removedAfterwards(join(binDir, '..', '..'))
    expect(binDir.startsWith(folder)).toBe(false)
    expect(version).toMatch(/^18\./)
    expect(lines).toContainEqual(expect.stringMatching(/cannot run .*: PostgreSQL's programs are run from/))
    expect((await reach()).binDir).toBe(binDir)
  })
})

test('data within reach stay where they were wanted', async () => {
  const folder = await privateFolder()
  await chmod(folder, 0o755)
  const lines: string[] = []
  const { dataDir } = await postgresFolders(join(folder, 'data'), await postgresAccount(), (line) => lines.push(line))
  expect(dataDir).toBe(join(folder, 'data'))
  // Where this clone is out of reach, its programs are moved, and that is said: a line about the data would not be.
  expect(lines.filter((line) => line.includes('data is kept'))).toEqual([])
})
