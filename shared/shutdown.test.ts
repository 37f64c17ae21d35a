import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { HttpDrain } from './http-drain.ts'
import { Shutdown } from './shutdown.ts'

const closings: (() => void)[] = []
afterEach(() => {
  for (const close of closings.splice(0)) close()
})

interface Line {
  readonly msg: string
  readonly cut?: unknown
  readonly reason?: string
}

/** A server that leaves its replies to the test, and a shutdown whose exit is a promise. */
const start = async (settings: { DRAIN_DELAY_MS?: number; DRAIN_TIMEOUT_MS?: number } = {}) => {
  const pending: ServerResponse[] = []
  const server = createServer((_request, response) => {
    pending.push(response)
  })
  const drain = new HttpDrain(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const lines: Line[] = []
  const log = pino({}, { write: (line) => lines.push(JSON.parse(line)) })
  let exit: (code: number) => void = () => undefined
  const exited = new Promise<number>((resolve) => {
    exit = resolve
  })
  const shutdown = new Shutdown({ DRAIN_DELAY_MS: 0, DRAIN_TIMEOUT_MS: 60_000, ...settings }, log, exit)
  shutdown.drains('test', drain)
  closings.push(() => {
    shutdown.force('the test is over')
    server.closeAllConnections()
    server.close()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { shutdown, drain, pending, lines, exited, origin }
}

describe('shutdown', () => {
  it('waits for what is in flight, then closes resources in the reverse order of their opening, then exits 0', async () => {
    const running = await start()
    const order: string[] = []
    running.shutdown.onAnnounce(() => order.push('unready'))
    running.shutdown.opened('first', () => order.push('first closed'))
    running.shutdown.opened('second', async () => order.push('second closed'))
    const sent = get(running.origin)
    await expect.poll(() => running.pending.length).toBe(1)
    const replied = once(sent, 'response')
    void running.shutdown.begin('SIGTERM')
    await expect.poll(() => running.shutdown.phase).toBe('closing')
    expect(order).toEqual(['unready'])
    running.pending[0]?.end('done')
    const [reply] = (await replied) as [IncomingMessage]
    reply.resume()
    expect(await running.exited).toBe(0)
    expect(order).toEqual(['unready', 'second closed', 'first closed'])
  })

  it('serves on for its delay, and then answers with Connection: close what comes on kept connections', async () => {
    const running = await start({ DRAIN_DELAY_MS: 100 })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    closings.push(() => agent.destroy())
    const ask = async (): Promise<IncomingMessage> => {
      const sent = get(running.origin, { agent })
      await expect.poll(() => running.pending.length).toBe(1)
      running.pending.pop()?.end()
      const [reply] = (await once(sent, 'response')) as [IncomingMessage]
      reply.resume()
      await once(reply, 'end')
      return reply
    }
    await ask()
    void running.shutdown.begin('SIGTERM')
    expect((await ask()).headers.connection).toBe('keep-alive')
    await expect.poll(() => running.shutdown.phase, { interval: 1 }).toBe('closing')
    expect((await ask()).headers.connection).toBe('close')
    expect(await running.exited).toBe(0)
  })

  it('is forced by its timeout, exits 1, and logs what was cut', async () => {
    const running = await start({ DRAIN_TIMEOUT_MS: 100 })
    get(running.origin).on('error', () => undefined)
    await expect.poll(() => running.pending.length).toBe(1)
    await running.shutdown.begin('SIGTERM')
    expect(await running.exited).toBe(1)
    expect(running.lines.find(({ msg }) => msg.startsWith('drain forced'))).toMatchObject({
      reason: 'DRAIN_TIMEOUT_MS has passed',
      cut: { requests: 1, upgrades: 0 },
    })
  })

  it('is forced by its timeout too where a resource does not close', async () => {
    const running = await start({ DRAIN_TIMEOUT_MS: 400 })
    running.shutdown.opened('stuck', () => new Promise(() => undefined))
    void running.shutdown.begin('SIGTERM')
    expect(await running.exited).toBe(1)
  })

  it('closes the others where one resource fails to close, says which, and exits 1', async () => {
    const running = await start()
    const order: string[] = []
    running.shutdown.opened('first', () => order.push('first closed'))
    running.shutdown.opened('broken', () => {
      throw new Error('cannot')
    })
    void running.shutdown.begin('SIGTERM')
    expect(await running.exited).toBe(1)
    expect(order).toEqual(['first closed'])
    expect(running.lines.find(({ msg }) => msg === 'a resource did not close')).toMatchObject({ resource: 'broken' })
  })

  it('begins once: a second call changes nothing', async () => {
    const running = await start()
    let announced = 0
    running.shutdown.onAnnounce(() => announced++)
    void running.shutdown.begin('one')
    void running.shutdown.begin('two')
    expect(await running.exited).toBe(0)
    expect(announced).toBe(1)
  })
})
