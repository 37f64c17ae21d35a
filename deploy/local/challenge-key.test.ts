import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { parseYaml } from '#shared/yaml.ts'
import { readChallengeKeys } from '../../proxy/state/challenge/challenge-keyset.ts'
import { provideChallengeKey } from './challenge-key.ts'

it('a key is made that the proxy can read and others cannot, and that stays between runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-challenge-key-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'challenge-keys.yaml')
  await provideChallengeKey(folder)
  const text = await readFile(file, 'utf8')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const parsed = parseYaml(text)
  expect(readChallengeKeys(parsed.kind === 'parsed' ? parsed.document : undefined)).toMatchObject({
    ...{ kind: 'good', names: ['local (primary)'] },
  })
  await provideChallengeKey(folder)
  expect(await readFile(file, 'utf8')).toBe(text)
})
