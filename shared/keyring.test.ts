import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { instanceIdentity } from './instance.ts'
import { Keyset, type KeysetReading } from './keyring.ts'
import { createLogger } from './log.ts'
import { eventually } from './testing/eventually.ts'

const POLL_INTERVAL_MS = 10
const FILE = 'words.yaml'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-keyring-'))
  closing.push(() => rm(folder, { recursive: true }))
  return folder
}

/** Keys that are a list of words. */
const read = (document: unknown): KeysetReading<readonly string[]> =>
  Array.isArray(document)
    ? { kind: 'good', keys: document, names: document }
    : { kind: 'bad', problems: [{ path: 'words', message: 'expected a list' }] }

const open = async (folder: string) => {
  const lines: { msg: string; level: string; problems?: unknown }[] = []
  const stream = new Writable({
    write(chunk, _encoding, callback) {
      lines.push(JSON.parse(String(chunk)))
      callback()
    },
  })
  const log = createLogger({ LOG_LEVEL: 'info', LOG_FORMAT: 'json' }, instanceIdentity('proxy', '0'), stream)
  const keyset = await Keyset.open({ folder, file: FILE, none: [], read }, log, POLL_INTERVAL_MS)
  closing.push(() => keyset.close())
  return { keyset, lines, refusals: () => lines.filter(({ level }) => level === 'error') }
}

const someLooks = () => new Promise((resolve) => setTimeout(resolve, 20 * POLL_INTERVAL_MS))

describe('a keyset', () => {
  it('is what its file says, at the start and after each change', async () => {
    const folder = await newFolder()
    await writeFile(join(folder, FILE), '[one]')
    const { keyset } = await open(folder)
    expect(keyset.current).toEqual(['one'])
    await writeFile(join(folder, FILE), '[one, two]')
    await eventually('the second is there', () => keyset.current.length === 2)
  })

  it('is empty as long as there is no file', async () => {
    const folder = await newFolder()
    const { keyset, lines } = await open(folder)
    expect(keyset.current).toEqual([])
    await someLooks()
    expect(lines).toEqual([])
    await writeFile(join(folder, FILE), '[one]')
    await eventually('the first is there', () => keyset.current.length === 1)
  })

  it('changes with the links of a mounted Secret', async () => {
    const folder = await newFolder()
    const versions = [await newFolder(), await newFolder()]
    for (const [index, version] of versions.entries()) await writeFile(join(version, FILE), `[word-${index}]`)
    // As the kubelet does: the file is a link by way of ..data, which is replaced in one step.
    await symlink(versions[0] as string, join(folder, '..data'))
    await symlink(join('..data', FILE), join(folder, FILE))
    const { keyset } = await open(folder)
    expect(keyset.current).toEqual(['word-0'])
    await symlink(versions[1] as string, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await eventually('the other is there', () => keyset.current[0] === 'word-1')
  })

  it.each([
    ['has a problem', 'words: 1', [{ path: 'words', message: 'expected a list' }]],
    ['is no YAML', '[', [{ path: expect.stringContaining('line 1'), message: expect.any(String) }]],
    ['is being written', '', [{ path: 'the whole', message: expect.stringContaining('is empty: write {}') }]],
  ])(
    'stays as it was while its file %s, says so once, and is changed by the next good one',
    async (_what, text, problems) => {
      const folder = await newFolder()
      await writeFile(join(folder, FILE), '[one]')
      const { keyset, refusals } = await open(folder)
      await writeFile(join(folder, FILE), text)
      await eventually('the problem is told', () => keyset.problems.length > 0)
      await someLooks()
      expect(keyset.current).toEqual(['one'])
      expect(keyset.problems).toEqual(problems)
      expect(refusals()).toHaveLength(1)
      await writeFile(join(folder, FILE), '[two]')
      await eventually('the next is there', () => keyset.current[0] === 'two')
      expect(keyset.problems).toEqual([])
    },
  )

  it('stays as it was when its file goes, and is read again when the same comes back', async () => {
    const folder = await newFolder()
    await writeFile(join(folder, FILE), '[one]')
    const { keyset, refusals } = await open(folder)
    await rm(join(folder, FILE))
    await eventually('the loss is told', () => keyset.problems.length > 0)
    await someLooks()
    expect(keyset.current).toEqual(['one'])
    expect(refusals()).toHaveLength(1)
    await writeFile(join(folder, FILE), '[one]')
    await eventually('all is well', () => keyset.problems.length === 0)
  })

  it('is not read any more once it is closed', async () => {
    const folder = await newFolder()
    await writeFile(join(folder, FILE), '[one]')
    const { keyset } = await open(folder)
    keyset.close()
    await writeFile(join(folder, FILE), '[two]')
    await someLooks()
    expect(keyset.current).toEqual(['one'])
  })

  it('with a problem at the start stops the start, as does a folder that is none', async () => {
    const folder = await newFolder()
    await writeFile(join(folder, FILE), 'words: 1')
    await expect(open(folder)).rejects.toThrow(/KEYRING_DIR: .*words\.yaml: words: expected a list/)
    await expect(open(join(folder, 'nowhere'))).rejects.toThrow(/KEYRING_DIR: .*nowhere is no folder/)
  })
})
