import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { parseYaml } from '#shared/yaml.ts'
import { bearerOf, readAdminTokens } from '../../proxy/admin/tokens.ts'
import { provideAdminToken } from './admin-token.ts'

let dataDir: string
afterEach(() => rm(dataDir, { recursive: true }))

it('a token is made that the proxy knows by its digest, that others cannot read, and that stays between runs', async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sidegate-admin-token-'))
  const { tokenFile, keyringDir } = await provideAdminToken(dataDir)
  const token = (await readFile(tokenFile, 'utf8')).trim()
  expect((await stat(tokenFile)).mode & 0o777).toBe(0o600)
  const keyset = await readFile(join(keyringDir, 'admin-tokens.yaml'), 'utf8')
  expect(keyset).not.toContain(token)
  const parsed = parseYaml(keyset)
  const reading = readAdminTokens(parsed.kind === 'parsed' ? parsed.document : undefined)
  expect(bearerOf(`Bearer ${token}`, reading.kind === 'good' ? reading.keys : [])).toMatchObject({
    ...{ name: 'developer', role: 'operate' },
  })
  await provideAdminToken(dataDir)
  expect((await readFile(tokenFile, 'utf8')).trim()).toBe(token)
})
