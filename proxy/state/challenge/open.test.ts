import { hash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { eventually } from '#shared/testing/eventually.ts'
import { quietLog } from '#shared/testing/redis-guards.ts'
import { proxySettings } from '../../settings.ts'
import { askAdmin } from '../../testing/ask-admin.ts'
import { answer, ask, clearance, puzzleIn, solve } from '../../testing/challenge-client.ts'
import { okApp, operatedProxy, operatedWorkers } from '../../testing/operated-proxy.ts'
import { spawnProxy } from '../../testing/proxy-process.ts'
import { openChallengeSecrets } from './open.ts'

const NO_KEY = /^no key for challenges is configured/

const files = async (contents: Readonly<Record<string, string>>): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-keyring-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(contents)) await writeFile(join(folder, name), text)
  return folder
}

const policyFile = async () =>
  join(
    await files({
      'policy.yaml': 'challenge: {difficulty: 1000}\nroutes: {all: {match: {path: /*}, challenge: always}}',
    }),
    'policy.yaml',
  )

const KEY = (name: string, status: string) => `${name}: {secret: ${name.repeat(32)}, status: ${status}}\n`
const status = async (origin: string, token: string) =>
  (await ask(origin, { headers: { 'X-Sidegate-Clearance': token } })).status

it('keys rotate while the proxy runs: those that are enabled are good, one that is disabled at once is not', async () => {
  const machines = `export: {sha256: ${hash('sha256', 'a-machine-token')}}`
  const KEYRING_DIR = await files({ 'challenge-keys.yaml': KEY('a', 'primary'), 'machine-tokens.yaml': machines })
  const write = (text: string) => writeFile(join(KEYRING_DIR, 'challenge-keys.yaml'), text)
  const { origin, child } = await operatedProxy(await okApp(), { KEYRING_DIR, POLICY_FILE: await policyFile() })
  const read = (...keys: string[]) =>
    child.line(({ msg, keys: names }) => msg === 'keyring read' && JSON.stringify(names) === JSON.stringify(keys))
  expect((await ask(origin, { headers: { 'X-Sidegate-Machine-Token': 'a-machine-token' } })).status).toBe(200)
  const old = await clearance(origin)
  expect(await status(origin, old)).toBe(200)
  await write(KEY('a', 'enabled') + KEY('b', 'primary'))
  await read('a (enabled)', 'b (primary)')
  expect(await status(origin, old)).toBe(200)
  const newer = await clearance(origin)
  expect(newer).toMatch(/^v1\.b\./)
  await write(KEY('a', 'disabled') + KEY('b', 'primary'))
  await read('b (primary)')
  expect([await status(origin, old), await status(origin, newer)]).toEqual([429, 200])
  await write('b: {}')
  await child.line(({ msg }) => msg.startsWith('keyring not read'))
  expect(await status(origin, newer)).toBe(200)
  expect(child.lines.filter(({ msg }) => NO_KEY.test(msg))).toEqual([])
})

it('two instances with one CHALLENGE_KEY take each other’s clearances; without, the log says so once', async () => {
  const [app, POLICY_FILE] = [await okApp(), await policyFile()]
  const environment = { POLICY_FILE, CHALLENGE_KEY: 'k'.repeat(32) }
  const one = await operatedProxy(app, environment)
  const two = await operatedProxy(app, environment)
  expect(await status(two.origin, await clearance(one.origin))).toBe(200)
  const alone = await operatedProxy(app, { POLICY_FILE })
  expect(await status(alone.origin, await clearance(one.origin))).toBe(429)
  expect(alone.child.lines.filter(({ msg }) => NO_KEY.test(msg))).toHaveLength(1)
  expect(one.child.lines.filter(({ msg }) => NO_KEY.test(msg))).toEqual([])
})

it('workers are one instance: what one has signed is good with the others, and the metrics are of all', async () => {
  const { origin, admin, child } = await operatedWorkers(await okApp(), { POLICY_FILE: await policyFile() })
  const workers = new Set<unknown>()
  const token = await clearance(origin)
  for (let time = 0; time < 12; time++) {
    const puzzle = puzzleIn(await ask(origin))
    expect((await answer(origin, solve(puzzle))).status).toBe(200)
    expect(await status(origin, token)).toBe(200)
  }
  for (const { refusal, instance } of child.lines) if (refusal === 'challenged') workers.add(instance)
  expect(workers.size, 'both have been asked').toBe(2)
  expect(child.lines.filter(({ msg }) => NO_KEY.test(msg))).toHaveLength(1)
  await eventually('the metrics of all', async () => {
    const { text } = await ask(`${admin}/metrics`)
    const solved = text.matchAll(/^sidegate_challenges_total\{.*result="solved".*\} (\d+)$/gm)
    return [...solved].reduce((sum, [, count]) => sum + Number(count), 0) === 13
  })
  expect(await askAdmin(admin, 'GET', '/health')).toMatchObject({ status: 200 })
})

it('a keyring of challenges that cannot be read stops the start, and says what is wrong', async () => {
  const KEYRING_DIR = await files({ 'challenge-keys.yaml': KEY('a', 'enabled') })
  const child = spawnProxy({ UPSTREAM_URL: 'http://127.0.0.1:9', KEYRING_DIR, PORT: '0', ADMIN_PORT: '0' })
  expect(await child.exited()).toBe(78)
  expect(child.stderr()).toMatch(/challenge-keys\.yaml: exactly one key must be primary: none is/)
})

it('a third party has its part where its secret is in the environment', async () => {
  const settings = proxySettings({ UPSTREAM_URL: 'http://127.0.0.1:9', TURNSTILE_SECRET: 'the-secret' })
  const secrets = await openChallengeSecrets(settings, quietLog)
  expect([secrets.thirdParties.turnstile?.name, secrets.thirdParties.hcaptcha]).toEqual(['turnstile', undefined])
})
