import { expect, it, onTestFinished } from 'vitest'
import { startRawUpstream } from '../testing/start-upstream.ts'
import { TestCall } from '../testing/test-call.ts'
import { upstreamAddress } from './address.ts'
import { Connection } from './connection.ts'
import { socketOpener } from './open-socket.ts'

const LIMITS = {
  ...{ connections: 1, queueLength: 1, headerBytes: 16_384 },
  ...{ queueTimeoutMs: 30_000, connectTimeoutMs: 30_000, headersTimeoutMs: 30_000 },
  ...{ bodyIdleTimeoutMs: 30_000, keepAliveTimeoutMs: 30_000 },
}

it.each([
  ['at once', 0, true],
  ['a second later', 1_000, true],
  ['later', 1_001, false],
])('a kept connection that is lost %s may be a reuse race: after %i ms %s', async (_when, afterMs, mayBe) => {
  const time = { nowMs: 1_000_000 }
  const upstream = await startRawUpstream((socket) => {
    socket.on('data', (bytes) => {
      if (String(bytes).startsWith('GET /first ')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
        return
      }
      time.nowMs += afterMs
      socket.destroy()
    })
  })
  onTestFinished(() => upstream.close())
  let free = Promise.withResolvers<void>()
  const owner = {
    get nowMs() {
      return time.nowMs
    },
    deadlineIn: (timeoutMs: number) => time.nowMs + timeoutMs,
    onFree: () => free.resolve(),
    onGone: () => undefined,
  }
  const connection = new Connection(owner, LIMITS, 30_000, socketOpener(upstreamAddress(upstream.url)), false)
  const assign = async (name: string): Promise<TestCall> => {
    await free.promise
    free = Promise.withResolvers<void>()
    const call = new TestCall(name)
    connection.assign(call)
    await call.over
    return call
  }
  await assign('first')
  const second = await assign('second')
  expect([second.events, second.isReuseRace]).toEqual([['connected', 'ConnectionLost'], mayBe])
})
