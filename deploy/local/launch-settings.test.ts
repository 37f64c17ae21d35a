import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { readLaunchSettings, urlOf } from './launch-settings.ts'

const FREE = {
  PORT: '0',
  ADMIN_PORT: '0',
  APP_PORT: '0',
  POSTGRES_PRIMARY_PORT: '0',
  POSTGRES_REPLICA_PORT: '0',
  REDIS_PORT: '0',
}

test('a port of 0 is made a free one, each another', async () => {
  const settings = await readLaunchSettings(FREE, true)
  const ports = [settings.PORT, settings.ADMIN_PORT, settings.APP_PORT, settings.REDIS_PORT]
  expect(ports).not.toContain(0)
  expect(new Set(ports).size).toBe(ports.length)
})

test('a local drain is short, unless the environment says otherwise', async () => {
  expect(await readLaunchSettings(FREE, false)).toMatchObject({ DRAIN_DELAY_MS: 500, DRAIN_TIMEOUT_MS: 4_000 })
  expect(await readLaunchSettings({ ...FREE, DRAIN_DELAY_MS: '0' }, false)).toMatchObject({ DRAIN_DELAY_MS: 0 })
})

test('every bad variable is named', async () => {
  await expect(readLaunchSettings({ ...FREE, PORT: 'x', DRAIN_DELAY_MS: '-1' }, false)).rejects.toThrow(
    /DRAIN_DELAY_MS: expected whole milliseconds[\s\S]*PORT: expected a port/,
  )
})

test("Redis's port may be in use where there is no Redis to start", async () => {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const REDIS_PORT = String((server.address() as { port: number }).port)
  await readLaunchSettings({ ...FREE, REDIS_PORT }, false)
  await expect(readLaunchSettings({ ...FREE, REDIS_PORT }, true)).rejects.toThrow(/REDIS_PORT: port \d+ is in use/)
})

test('a wildcard address is reached by loopback, any other by itself', () => {
  expect(urlOf('127.0.0.1', 80)).toBe('http://127.0.0.1:80')
  expect(urlOf('::', 80)).toBe('http://127.0.0.1:80')
  expect(urlOf('0.0.0.0', 80)).toBe('http://127.0.0.1:80')
  expect(urlOf('::1', 80)).toBe('http://[::1]:80')
})
