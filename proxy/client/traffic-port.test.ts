import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { ConfigurationError } from '#shared/environment.ts'
import { listen } from '#shared/listen.ts'
import { TrafficPort } from './traffic-port.ts'

const HOST = '127.0.0.1'
const opened: { close(): unknown }[] = []
const sockets: Socket[] = []

afterEach(() => {
  for (const one of opened.splice(0)) one.close()
  for (const socket of sockets.splice(0)) socket.destroy()
})

const openPort = async (port = 0): Promise<TrafficPort> => {
  const trafficPort = new TrafficPort()
  opened.push(trafficPort)
  trafficPort.on('connection', (socket) => sockets.push(socket))
  await trafficPort.open(HOST, port)
  return trafficPort
}

const client = (port: number): Socket => {
  const socket = connect(port, HOST)
  sockets.push(socket)
  return socket
}

describe('the traffic port', () => {
  it.runIf(process.platform === 'linux')('accepts a crowd in few turns of the loop', async () => {
    const port = await openPort()
    const crowd = 1_000
    let accepted = 0
    let turns = 0
    const { promise: all, resolve } = Promise.withResolvers<void>()
    port.on('connection', () => {
      if (++accepted === crowd) resolve()
    })
    const turn = () => {
      turns++
      if (accepted < crowd) setImmediate(turn)
    }
    for (let i = 0; i < crowd; i++) client(port.address.port)
    turn()
    await all
    expect(turns).toBeLessThan(crowd / 5) // each would take one, if there were one socket
  })

  it('is not shared with another Sidegate', async () => {
    const { address } = await openPort()
    const second = openPort(address.port)
    await expect(second).rejects.toThrow(ConfigurationError)
    await expect(second).rejects.toThrow(`PORT: ${address.port} is already in use`)
  })

  it('is not shared with another server', async () => {
    const other = createServer()
    opened.push(other)
    await listen(other, { host: HOST, port: 0 }, { host: 'HOST', port: 'PORT' })
    const { port } = other.address() as { port: number }
    await expect(openPort(port)).rejects.toThrow(`PORT: ${port} is already in use`)
  })

  it('takes no more connections once it is closed, and keeps those that it has', async () => {
    const port = await openPort()
    const { port: number } = port.address
    const early = client(number)
    const [accepted] = (await once(port, 'connection')) as [Socket]
    port.close()
    const [refused] = await once(client(number), 'error')
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' })
    accepted.write('still here')
    expect(String((await once(early, 'data'))[0])).toBe('still here')
  })
})
