import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { connect } from 'node:net'
import type { DependencyCheck } from '#shared/health.ts'
import type { UpstreamAddress } from './upstream-url.ts'

const INTERVAL_MS = 1_000
const TIMEOUT_MS = 2_000

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

const answers = (address: UpstreamAddress, path: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const url = new URL(path, address.origin)
    const send = url.protocol === 'https:' ? requestTls : request
    const probe = send(
      url,
      { agent: false, signal, ...(address.socketPath !== undefined && { socketPath: address.socketPath }) },
      (reply) => {
        reply.resume()
        const status = reply.statusCode ?? 0
        if (status < 500) resolve()
        else reject(new Error(`GET ${path} answered ${status}`))
      },
    )
    probe.once('error', reject)
    probe.end()
  })
