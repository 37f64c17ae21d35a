import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../../deploy/local/ports.ts'
import { json, startFakeAdmin } from './testing/fake-admin.ts'
import { runCli } from './testing/run-cli.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A server that does with a connection what the test likes. */
const startServer = async (onConnection: (socket: Socket) => void): Promise<string> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()))
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const status = (url: string) =>
  runCli(['status'], { environment: { SIDEGATE_ADMIN_URL: url, SIDEGATE_TIMEOUT_MS: '300' } })

describe('a server', () => {
  it('that is not there is told of, with what to look at', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    expect(await status(url)).toEqual({
      exit: 3,
      stdout: '',
      stderr: expect.stringMatching(/cannot be reached: connect ECONNREFUSED[\s\S]*SIDEGATE_ADMIN_URL/),
    })
  })

  it('that takes the connection and says nothing is waited for until the timeout', async () => {
    const url = await startServer((socket) => socket.resume())
    expect(await status(url)).toMatchObject({ exit: 3, stderr: expect.stringContaining('within 300 ms') })
  })

  it('that stops in the middle of its answer is not waited for any longer', async () => {
    const url = await startServer((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"instance":'),
    )
    expect(await status(url)).toMatchObject({ exit: 3, stderr: expect.stringContaining('within 300 ms') })
  })

  it('that hangs up after a change was sent may have made it', async () => {
    const url = await startServer((socket) => socket.once('data', () => socket.destroy()))
    const run = await runCli(['policy', 'apply', '-', '--from', '1'], {
      environment: { SIDEGATE_ADMIN_URL: url },
      input: '{}',
    })
    expect(run).toMatchObject({ exit: 3, stderr: expect.stringContaining('may have been done all the same') })
  })

  it.each([
    'hello\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]',
  ])('that answers %j is no admin API', async (answer) => {
    const url = await startServer((socket) => socket.once('data', () => socket.end(answer)))
    expect(await status(url)).toMatchObject({
      exit: 3,
      stdout: '',
      stderr: expect.stringContaining('SIDEGATE_ADMIN_URL'),
    })
  })

  it.each([
    ['status', 'GET /api/status', { instance: 5 }],
    ['policy show', 'GET /api/policy', { version: 1, policy: 'none' }],
    ['policy show', 'GET /api/policy', { version: '1', policy: {} }],
    ['policy diff -', 'POST /api/policy/validate', { isValid: true }],
    ['policy history', 'GET /api/policy/history', { versions: {} }],
    ['policy shadow', 'GET /api/policy/shadow', {}],
    ['policy rollback 1', 'GET /api/policy', { version: -1 }],
    ['drain', 'POST /drain', ['drained']],
  ])('that has %s answered with something else is no admin API', async (command, call, body) => {
    const admin = await startFakeAdmin({ [call]: json(200, body) })
    expect(await admin.run(command.split(' '), {}, '{}')).toMatchObject({
      exit: 3,
      stdout: '',
      stderr: expect.stringContaining('is not Sidegate'),
    })
  })

  it.each([
    [400, 1],
    [401, 4],
    [403, 4],
    [404, 1],
    [429, 4],
    [500, 3],
    [503, 3],
  ])('whose status is %d ends the command with %d', async (answered, exit) => {
    const body = { detail: `it is \u001b[31m${answered}`, correlationId: 'abc-1' }
    const admin = await startFakeAdmin({ 'GET /api/status': json(answered, body) })
    const run = await admin.run(['status'])
    expect(run).toMatchObject({ exit, stdout: '' })
    expect(run.stderr).toContain(`it is \\u001b[31m${answered}\n(${answered} `)
    expect(run.stderr).toContain('correlation ID abc-1')
  })

  it('that sends the command elsewhere is not followed', async () => {
    const admin = await startFakeAdmin({
      'GET /api/status': (response) => response.writeHead(307, { Location: '/elsewhere' }).end(),
      'GET /elsewhere': json(200, { instance: 'another' }),
    })
    expect(await admin.run(['status'])).toMatchObject({ exit: 3, stdout: '' })
    expect(admin.seen).toHaveLength(1)
  })

  it('that fails in HTML is told of by its status', async () => {
    const admin = await startFakeAdmin({ 'GET /api/status': (response) => response.writeHead(502).end('<html>') })
    expect(await admin.run(['status', '--json'])).toMatchObject({
      exit: 3,
      stdout: '',
      stderr: expect.stringContaining('(502 Bad Gateway)'),
    })
  })
})
