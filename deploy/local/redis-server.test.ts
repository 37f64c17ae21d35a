import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { freePort } from './ports.ts'
import { startRedis } from './redis-server.ts'

const HOST = '127.0.0.1'

const start = async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'sidegate-redis-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const redis = await startRedis({ host: HOST, port: await freePort(), dataDir, onLine: () => undefined })
  onTestFinished(async () => void (await redis?.process.stop()))
  return { dataDir, redis }
}

/** What the server answers to commands in its inline form, up to the reply to QUIT. */
const talk = async (port: number, commands: readonly string[]): Promise<string[]> => {
  const socket = connect(port, HOST)
  let said = ''
  socket.on('data', (chunk) => (said += chunk.toString()))
  socket.write([...commands, 'QUIT', ''].join('\r\n'))
  await once(socket, 'close')
  return said.trim().split('\r\n')
}

test('a Redis answers those who know its password, and writes nothing to disk', async () => {
  const { dataDir, redis } = await start()
  const { port, password } = new URL(redis?.url ?? '')
  expect(await talk(Number(port), ['PING'])).toEqual([expect.stringMatching(/^-NOAUTH/), '+OK'])
  expect(await talk(Number(port), [`AUTH ${password}`, 'SET key value', 'PING'])).toEqual([
    '+OK',
    '+OK',
    '+PONG',
    '+OK',
  ])
  await redis?.process.stop()
  expect(await readdir(dataDir)).toEqual([])
})

test('there is none where the machine has no redis-server', async () => {
  vi.stubEnv('PATH', '/nowhere')
  onTestFinished(() => void vi.unstubAllEnvs())
  expect((await start()).redis).toBeUndefined()
})
