import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type ProxyProcess, startProxyProcess } from '../testing/proxy-process.ts'
import { runCli, TEST_TOKEN } from './testing/run-cli.ts'

const ONE = 'limits:\n  l: {requests: 5, perSeconds: 1}\n'
const OTHER = 'limits:\n  l: {requests: 6, perSeconds: 1}\n'
const BAD = 'limits:\n  l: {requests: 5/s, perSeconds: 1}\nblockings: {}\n'

let folder: string
let proxy: ProxyProcess

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sidegate-cli-'))
  for (const [name, text] of Object.entries({ one: ONE, other: OTHER, bad: BAD, empty: '\n', odd: 'a: [' })) {
    await writeFile(join(folder, `${name}.yaml`), text)
  }
})

afterAll(() => rm(folder, { recursive: true }))

beforeEach(async () => {
  proxy = await startProxyProcess('http://127.0.0.1:9', { ADMIN_TOKEN: TEST_TOKEN })
})

afterEach(async () => {
  proxy.child.process.kill('SIGKILL')
  await proxy.child.exited()
})

/** From the folder of the files, as npm tells it. */
const run = (command: string, input = '', environment: Readonly<Record<string, string>> = {}) =>
  runCli(command.split(' '), {
    environment: { SIDEGATE_ADMIN_URL: proxy.admin, INIT_CWD: folder, ...environment },
    input,
  })

describe('the commands of a policy, on a proxy', () => {
  it('try a change, make it, look back and go back', async () => {
    expect(await run('policy validate one.yaml')).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/^The policy is well; differences from the one in force: [1-9]\d*\.\n$/),
      stderr: '',
    })
    expect(await run('policy diff one.yaml')).toMatchObject({
      exit: 1,
      stdout: expect.stringMatching(/^PATH +NOW +THEN\nlimits\.l +- +\{.*"requests":5,/),
    })
    expect(await run('policy apply one.yaml')).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/limits\.l +- [\s\S]*\nVersion 1 is in force, made from version 0/),
    })
    expect(await run('policy diff one.yaml')).toMatchObject({ exit: 0, stdout: 'No difference.\n' })
    expect(await run('policy diff -', OTHER)).toMatchObject({
      exit: 1,
      stdout: 'PATH               NOW  THEN\nlimits.l.requests  5    6\n',
    })
    expect(await run('policy apply - --from 1 --no-probation', OTHER)).toMatchObject({ exit: 0 })
    expect(await run('policy rollback 1')).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/limits\.l\.requests +6 +5\nVersion 3 is in force, made from version 2/),
    })
    const { stdout: shown } = await run('policy show')
    expect(shown).toMatch(/^# version 3\n/)
    expect(parse(shown)).toMatchObject({ limits: { l: { requests: 5 } }, blocking: { violations: 20 } })
    const { stdout: history } = await run('policy history')
    expect(history).toMatch(/^VERSION +WHEN +WHO +REASON\n3 +2\d{3}-[\s\S]*\n2 [\s\S]*\n1 [\s\S]*\n0 /)
    expect((await run('policy history --limit 2')).stdout.trim().split('\n')).toHaveLength(3)
  })

  it('make a policy out of what was shown', async () => {
    await run('policy apply one.yaml')
    const { stdout: shown } = await run('policy show')
    expect(await run('policy diff -', shown)).toMatchObject({ exit: 0, stdout: 'No difference.\n' })
  })

  it('tell every problem, and change nothing', async () => {
    const problems = expect.stringMatching(
      /^PATH +PROBLEM\nlimits\.l\.requests +expected a count[\s\S]*\nblockings +.*is not part of a policy/,
    )
    expect(await run('policy validate bad.yaml')).toMatchObject({ exit: 1, stdout: problems, stderr: '' })
    for (const command of ['diff', 'apply']) {
      expect(await run(`policy ${command} bad.yaml`)).toMatchObject({
        exit: 1,
        stdout: '',
        stderr: expect.stringMatching(
          /problems[\s\S]*limits\.l\.requests +expected[\s\S]*\(422 .*, correlation ID [\w-]+\)\n$/,
        ),
      })
    }
    expect(await run('policy validate odd.yaml')).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('line 1, column'),
    })
    expect((await run('policy show')).stdout).toMatch(/^# version 0\n/)
  })

  it('tell that somebody else was first, and of a version that is not there', async () => {
    await run('policy apply one.yaml')
    expect(await run('policy apply other.yaml --from 0')).toMatchObject({
      exit: 1,
      stdout: '',
      stderr: expect.stringMatching(/Version 1 is the newest[\s\S]*policy diff FILE[\s\S]*\(412 Precondition Failed/),
    })
    expect(await run('policy rollback 9')).toMatchObject({
      exit: 1,
      stderr: expect.stringMatching(/no such version[\s\S]*\(404/),
    })
  })

  it('print what the API has said, with --json', async () => {
    const shown = await run('policy show --json')
    const answer = await fetch(`${proxy.admin}/api/policy`, { headers: { Authorization: `Bearer ${TEST_TOKEN}` } })
    expect(shown).toMatchObject({ exit: 0, stdout: `${await answer.text()}\n` })
    expect(JSON.parse((await run('policy diff one.yaml --json')).stdout)).toMatchObject({ isValid: true })
    expect(JSON.parse((await run('policy apply one.yaml --json')).stdout)).toMatchObject({ version: 1 })
    const refused = await run('policy apply one.yaml --from 0 --json')
    expect(JSON.parse(refused.stdout)).toMatchObject({ status: 412 })
    expect(JSON.parse((await run('policy validate bad.yaml --json')).stdout)).toMatchObject({ status: 422 })
  })

  it('want a file that can be read, and has something in it', async () => {
    expect(await run('policy apply none.yaml')).toMatchObject({
      exit: 2,
      stderr: expect.stringMatching(/none\.yaml cannot be read: ENOENT.*name a file that this user may read/),
    })
    for (const empty of ['policy apply empty.yaml', 'policy apply -']) {
      expect(await run(empty)).toMatchObject({ exit: 2, stderr: expect.stringContaining('is empty') })
    }
    expect((await run('policy show')).stdout).toMatch(/^# version 0\n/)
  })

  it('are for who has the token', async () => {
    expect(await run('status')).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/^Sidegate \S+, proxy-\S+\n {2}lifecycle +serving[\s\S]*policy +version 0/),
    })
    expect(await run('status', '', { ADMIN_TOKEN: 'another-token-than-that' })).toMatchObject({
      exit: 4,
      stdout: '',
      stderr: expect.stringContaining('(401 Unauthorized'),
    })
  })
})
