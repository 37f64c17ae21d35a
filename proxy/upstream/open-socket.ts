import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { UpstreamAddress } from './address.ts'
import type { ReadBuffer } from './read-buffer.ts'

/** @returns whether to read on at once */
type OnRead = (bytes: Buffer) => boolean

/**
 * Opens a connection to the app and calls `onOpen` once it stands, TLS included.
 *
 * @param buffer what to read into, for one that can be told
 * @param isForSwitch whether it will leave HTTP, and so must be an ordinary stream
 */
export type OpenSocket = (buffer: ReadBuffer, onRead: OnRead, onOpen: () => void, isForSwitch: boolean) => Socket

export const socketOpener = ({ origin, socketPath }: UpstreamAddress): OpenSocket => {
  const { protocol, hostname, port } = new URL(origin)
  const host = hostname.replace(/^\[|\]$/g, '')
  if (protocol === 'https:') return tlsOpener(host, Number(port || 443))
  const target = socketPath === undefined ? { host, port: Number(port || 80), noDelay: true } : { path: socketPath }
  return (buffer, onRead, onOpen, isForSwitch) => {
    if (isForSwitch) return connect(target, onOpen).on('data', onRead)
    const onread = {
      buffer: buffer.next,
      callback: (length: number, memory: Uint8Array) => onRead((memory as Buffer).subarray(0, length)),
    }
    return connect({ ...target, onread }, onOpen)
  }
}

const tlsOpener = (host: string, port: number): OpenSocket => {
  // By the name in UPSTREAM_URL, whatever Host the client sends; an address is no name (RFC 6066 §3).
  const servername = isIP(host) === 0 ? host : ''
  let session: Buffer | undefined
  return (_buffer, onRead, onOpen) => {
    const socket = connectTls(
      { host, port, servername, ALPNProtocols: ['http/1.1'], ...(session && { session }) },
      onOpen,
    )
    socket.on('session', (latest) => {
      session = latest
    })
    socket.on('data', onRead)
    return socket.setNoDelay(true)
  }
}
