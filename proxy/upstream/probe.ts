import { connect } from 'node:net'
import type { DependencyCheck } from '#shared/health.ts'
import { requestHead } from '../http1/request-head.ts'
import type { UpstreamAddress } from './address.ts'
import type { UpstreamLimits } from './limits.ts'
import { socketOpener } from './open-socket.ts'
import { ConnectionPool } from './pool.ts'

const INTERVAL_MS = 1_000
const TIMEOUT_MS = 2_000

/** The check's own timeout comes first. */
const LIMITS: UpstreamLimits = {
  ...{ connections: 1, queueLength: 1, headerBytes: 65_536 },
  ...{ queueTimeoutMs: 10_000, connectTimeoutMs: 10_000, headersTimeoutMs: 10_000 },
  ...{ bodyIdleTimeoutMs: 10_000, keepAliveTimeoutMs: 10_000 },
}

/** Asks whether the app is there: by GET of its health path, or, where it has none, by whether it takes connections. */
export const upstreamCheck = (address: UpstreamAddress, healthPath: string | undefined): DependencyCheck => ({
  name: 'upstream',
  required: true,
  intervalMs: INTERVAL_MS,
  timeoutMs: TIMEOUT_MS,
  probe: (signal) =>
    healthPath === undefined ? takesConnections(address, signal) : answers(address, healthPath, signal),
})

const takesConnections = (address: UpstreamAddress, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const url = new URL(address.origin)
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
    const socket =
      address.socketPath === undefined
        ? connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port })
        : connect({ path: address.socketPath })
    const giveUp = () => socket.destroy(new Error('probe aborted'))
    signal.addEventListener('abort', giveUp, { once: true })
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => signal.removeEventListener('abort', giveUp))
  })

/** By the way that requests take, on a connection of its own. */
const answers = (address: UpstreamAddress, path: string, signal: AbortSignal): Promise<void> => {
  const pool = new ConnectionPool(socketOpener(address), LIMITS)
  let giveUp = () => pool.close()
  return new Promise<void>((resolve, reject) => {
    giveUp = () => reject(new Error('probe aborted'))
    signal.addEventListener('abort', giveUp, { once: true })
    pool.request({
      method: 'GET',
      wantsSwitch: false,
      timeouts: {},
      onOpening: () => undefined,
      onConnected: (connection) => {
        const { host } = new URL(address.origin)
        connection.write(requestHead('GET', path, ['Host', host, 'Connection', 'close']))
        connection.endRequest()
      },
      onHead: ({ status }) => {
        if (status >= 500) reject(new Error(`GET ${path} answered ${status}`))
        else if (status >= 200) resolve()
      },
      onBody: () => true,
      onFailure: reject,
      onDrain: ignore,
      onPause: () => true,
      onEnd: ignore,
      onSwitch: ignore,
    })
  }).finally(() => {
    signal.removeEventListener('abort', giveUp)
    pool.close()
  })
}

const ignore = (): void => undefined
