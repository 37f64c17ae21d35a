import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cliSettings } from './settings.ts'
import { runCli } from './testing/run-cli.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sidegate-cli-'))
  await writeFile(join(folder, 'token'), 'sgt_of-the-file\n')
  await writeFile(join(folder, 'prose'), 'this is no token\n')
})

afterAll(() => rm(folder, { recursive: true }))

const refused = (environment: Record<string, string>): string => {
  try {
    cliSettings(environment)
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing is wrong'
}

describe('the settings of the commands', () => {
  it('need a token alone', () => {
    expect(cliSettings({ ADMIN_TOKEN: 'sgt_1' })).toEqual({
      adminUrl: 'http://127.0.0.1:9090',
      token: 'sgt_1',
      timeoutMs: 10_000,
    })
  })

  it('take it from a file where it is not set itself', () => {
    const ADMIN_TOKEN_FILE = join(folder, 'token')
    expect(cliSettings({ ADMIN_TOKEN_FILE }).token).toBe('sgt_of-the-file')
    expect(cliSettings({ ADMIN_TOKEN_FILE: 'token', INIT_CWD: folder }).token).toBe('sgt_of-the-file')
    expect(cliSettings({ ADMIN_TOKEN_FILE, ADMIN_TOKEN: 'sgt_1' }).token).toBe('sgt_1')
  })

  it.each<[string, Record<string, string>, RegExp]>([
    ['no token', {}, /ADMIN_TOKEN is required: set it, or ADMIN_TOKEN_FILE/],
    ['a token with a space', { ADMIN_TOKEN: 'a b' }, /^Bad configuration:\n {2}ADMIN_TOKEN: .*not shown\)$/],
    ['a URL of something else', { ADMIN_TOKEN: 't', SIDEGATE_ADMIN_URL: 'ftp://x' }, /SIDEGATE_ADMIN_URL: expected/],
    [
      'a URL with a password',
      { ADMIN_TOKEN: 't', SIDEGATE_ADMIN_URL: 'http://u:secret@x' },
      /URL: expected(?!.*secret)/,
    ],
    ['a time that is none', { ADMIN_TOKEN: 't', SIDEGATE_TIMEOUT_MS: '10s' }, /SIDEGATE_TIMEOUT_MS: expected whole/],
  ])('with %s are refused', (_what, environment, message) => {
    expect(refused(environment)).toMatch(message)
  })

  it.each([
    ['none', /^Bad configuration:\n {2}ADMIN_TOKEN_FILE: ENOENT.*name a file that this user may read\n$/],
    ['prose', /ADMIN_TOKEN_FILE: .*does not hold a token(?!.*this is)/],
  ])('end the process with 78 where the token is to be in a file such as "%s"', async (name, message) => {
    const environment = { ADMIN_TOKEN: '', ADMIN_TOKEN_FILE: join(folder, name) }
    expect(await runCli(['status'], { environment })).toEqual({
      exit: 78,
      stdout: '',
      stderr: expect.stringMatching(message),
    })
  })
})
