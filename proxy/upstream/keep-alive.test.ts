import { expect, it } from 'vitest'
import { keepAliveMs } from './keep-alive.ts'

const LIMIT_MS = 60_000

const keptMs = (httpVersionMinor: number, ...rawHeaders: string[]): number =>
  keepAliveMs({ status: 200, statusText: 'OK', httpVersionMinor, rawHeaders }, LIMIT_MS)

it.each([
  ['HTTP/1.1 that says nothing', 1, [], LIMIT_MS],
  ['HTTP/1.1 that says keep-alive', 1, ['Connection', 'keep-alive'], LIMIT_MS],
  ['HTTP/1.1 that says close', 1, ['Connection', 'close'], 0],
  ['HTTP/1.1 that says close among others', 1, ['connection', 'X-A ,\tCLOSE'], 0],
  ['HTTP/1.1 that says close and keep-alive', 1, ['Connection', 'keep-alive, close'], 0],
  ['HTTP/1.1 that says close on a line of its own', 1, ['Connection', 'keep-alive', 'Connection', 'close'], 0],
  ['HTTP/1.1 that names a field like it', 1, ['Connection', 'closed, x-close'], LIMIT_MS],
  ['HTTP/1.1 that says close to proxies alone', 1, ['Proxy-Connection', 'close'], LIMIT_MS],
  ['HTTP/1.0 that says nothing', 0, [], 0],
  ['HTTP/1.0 that says keep-alive', 0, ['Connection', 'Keep-Alive'], LIMIT_MS],
  ['HTTP/1.0 that says keep-alive among others', 0, ['Connection', 'X-A, keep-alive'], LIMIT_MS],
  ['HTTP/1.0 that says keep-alive and close', 0, ['Connection', 'keep-alive', 'connection', 'close'], 0],
  ['HTTP/1.0 that says for how long alone', 0, ['Keep-Alive', 'timeout=5'], 0],
] as const)('a connection is kept, or not, by a reply of %s', (_what, minor, headers, expected) => {
  expect(keptMs(minor, ...headers)).toBe(expected)
})

it.each([
  ['timeout=5', 4_000],
  ['timeout=5, max=100', 4_000],
  ['max=100, timeout=5', 4_000],
  ['max=100,TIMEOUT=5', 4_000],
  ['timeout=1', 0],
  ['timeout=0', 0],
  ['timeout=61', LIMIT_MS],
  ['timeout=3600', LIMIT_MS],
  [`timeout=${'9'.repeat(40)}`, LIMIT_MS],
  ['timeout=', LIMIT_MS],
  ['timeout=x', LIMIT_MS],
  ['timeout=-5', LIMIT_MS],
  ['xtimeout=5', LIMIT_MS],
  ['max=5', LIMIT_MS],
  ['', LIMIT_MS],
])('Keep-Alive: %s is heeded with a second to spare, and never beyond the limit', (value, expected) => {
  expect(keptMs(1, 'Keep-Alive', value)).toBe(expected)
  expect(keptMs(0, 'keep-ALIVE', value, 'Connection', 'keep-alive')).toBe(expected)
})

it('a reply that says close is not kept, whatever Keep-Alive says', () => {
  expect(keptMs(1, 'Keep-Alive', 'timeout=5', 'Connection', 'close')).toBe(0)
})

it.each([
  [204, ['Content-Length', '5'], 0],
  [204, ['Transfer-Encoding', 'chunked'], 0],
  [304, ['content-length', '5'], 0],
  [304, ['Content-Length', '0'], LIMIT_MS],
  [304, [], LIMIT_MS],
  [200, ['Content-Length', '5'], LIMIT_MS],
] as const)(
  'after a %i that says %j: %i ms, since a body that it announces may follow all the same',
  (status, fields, ms) => {
    expect(keepAliveMs({ status, statusText: '', httpVersionMinor: 1, rawHeaders: [...fields] }, LIMIT_MS)).toBe(ms)
  },
)
