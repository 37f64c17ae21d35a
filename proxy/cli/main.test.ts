import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { commandNames } from './commands.ts'
import { runCli } from './testing/run-cli.ts'

describe('sidegate', () => {
  it('without a command tells every command, variable and exit status, and needs no token for that', async () => {
    const { exit, stdout, stderr } = await runCli([], { environment: { ADMIN_TOKEN: '' } })
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    for (const name of commandNames) expect(stdout).toContain(`\n  ${name} `)
    expect(stdout).toMatch(/SIDEGATE_ADMIN_URL .*\(http:\/\/127\.0\.0\.1:9090\)/)
    expect(stdout).toMatch(/\n {2}4 +not authorised/)
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(120)
  })

  it('with one that is not there ends with 2', async () => {
    expect(await runCli(['statsu'])).toEqual({
      exit: 2,
      stdout: '',
      stderr: 'There is no command "statsu"; did you mean "status"?\n"npm run sidegate -- help" has every command.\n',
    })
  })

  it('ends well where nobody reads on', async () => {
    const child = spawn(process.execPath, ['proxy/cli/main.ts', 'help'])
    child.stdout.destroy()
    const [stderr, [exit]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 })
  })
})

describe('token', () => {
  it('prints one once, with the entry by which a keyring knows it', async () => {
    const { exit, stdout } = await runCli(['token', 'ci', '--role', 'operate'], { environment: { ADMIN_TOKEN: '' } })
    const [token = '', entry = '', ...rest] = stdout.split('\n')
    expect(exit).toBe(0)
    expect(token).toMatch(/^sgt_[A-Za-z0-9_-]{43}$/)
    expect(entry).toBe(`ci: {role: operate, sha256: ${createHash('sha256').update(token).digest('hex')}}`)
    expect(rest).toEqual([''])
    expect((await runCli(['token', 'ci', '--role', 'operate'])).stdout).not.toContain(token)
  })

  it.each(['007', 'null', 'true', '1e3', '.nan', '-'])('is one of the name %s in YAML, too', async (name) => {
    const { stdout } = await runCli(['token', name])
    expect(parse(stdout.split('\n')[1] ?? '')).toEqual({ [name]: { role: 'read', sha256: expect.any(String) } })
    expect(
      parse(stdout.split('\n')[1] ?? '', { mapAsMap: true })
        .keys()
        .next().value,
    ).toBe(name)
  })

  it('is not minted for a name that the keyring would not take', async () => {
    for (const name of ['ADMIN_TOKEN', 'two words']) {
      expect(await runCli(['token', name])).toMatchObject({ exit: 2, stdout: '' })
    }
  })
})
