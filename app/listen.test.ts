import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listenOn } from './listen.ts'

let folder: string
let servers: Server[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sidegate-listen-'))
  servers = []
})
afterEach(async () => {
  for (const server of servers.filter(({ listening }) => listening)) {
    server.close()
    await once(server, 'close')
  }
  await rm(folder, { recursive: true })
})

const newServer = (): Server => {
  const server = createServer((_request, response) => response.end('here'))
  servers.push(server)
  return server
}

const ask = async (socketPath: string): Promise<string> => {
  const asking = request({ socketPath, agent: false }).end()
  const [response] = await once(asking, 'response')
  return text(response)
}

test('an address is given as the proxy takes it', async () => {
  expect(await listenOn(newServer(), { host: '127.0.0.1', port: 0 })).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  const socketPath = join(folder, 'app.sock')
  expect(await listenOn(newServer(), { socketPath })).toBe(`unix:${socketPath}`)
  expect(await ask(socketPath)).toBe('here')
})

test('the socket of a process that was killed is replaced', async () => {
  const socketPath = join(folder, 'app.sock')
  const script = `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => console.log('up'))`
  const other = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(other.stdout, 'data')
  other.kill('SIGKILL')
  await once(other, 'exit')
  expect((await stat(socketPath)).isSocket()).toBe(true)
  await listenOn(newServer(), { socketPath })
  expect(await ask(socketPath)).toBe('here')
})

test('the socket of a process that lives is left to it', async () => {
  const socketPath = join(folder, 'app.sock')
  await listenOn(newServer(), { socketPath })
  await expect(listenOn(newServer(), { socketPath })).rejects.toThrow(/APP_SOCKET: .* is already in use/)
  expect(await ask(socketPath)).toBe('here')
})

test('a file that is no socket is not removed', async () => {
  const socketPath = join(folder, 'precious')
  await writeFile(socketPath, 'data')
  await expect(listenOn(newServer(), { socketPath })).rejects.toThrow(/APP_SOCKET: .* no socket/)
  expect((await stat(socketPath)).size).toBe(4)
})

test.each(['nope.invalid', '192.0.2.1', '/tmp'])(
  'a host that cannot be had, %s, is an error that names its variable',
  async (host) => {
    await expect(listenOn(newServer(), { host, port: 0 })).rejects.toThrow(`APP_HOST: ${host} `)
  },
)

test('a socket in a folder that is not there is an error that names the variable', async () => {
  const socketPath = join(folder, 'missing', 'app.sock')
  await expect(listenOn(newServer(), { socketPath })).rejects.toThrow(`APP_SOCKET: ${socketPath} `)
})

test('a port in use is an error that names the variable', async () => {
  const address = new URL(await listenOn(newServer(), { host: '127.0.0.1', port: 0 }))
  const second = listenOn(newServer(), { host: '127.0.0.1', port: Number(address.port) })
  await expect(second).rejects.toThrow(/APP_PORT: .* is already in use/)
})
