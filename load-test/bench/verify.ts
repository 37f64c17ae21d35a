import { Agent } from 'node:http'
import { PATHS, UPLOAD_BYTES } from './request.ts'
import { tryRequest } from './try-request.ts'
import { readByUpload } from './upstream.ts'

/** What the upstream says that it was sent. */
interface Echo {
  readonly connection: string
  readonly requestId: string
  readonly forwardedFor: string
  readonly forwardedHost: string
  readonly forwardedProto: string
}

const HOST = 'api.example.com'
const CLIENT_ID = 'bench-request-1'
/** What a client must not be able to say. */
const FORGED = { 'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Host': 'forged.example', 'X-Forwarded-Proto': 'https' }

const CLOSING_CLIENTS = 4

/** Sends requests through a peer before it is measured. @returns what it does not do of the work that all should do */
export const shortcomings = async (port: number): Promise<string[]> => {
  const found: string[] = []
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const echo = async (headers: Readonly<Record<string, string>>, via: Agent | false = agent) => {
    const reply = await tryRequest(port, PATHS.echo, { Host: HOST, ...headers }, via)
    if (reply.status !== 200) throw new Error(`the peer on port ${port} answers ${PATHS.echo} with ${reply.status}`)
    return { told: JSON.parse(reply.body) as Echo, replyId: reply.headers['x-request-id'] }
  }
  const minted = await echo(FORGED)
  if (minted.told.requestId === '') found.push('mints no X-Request-ID')
  if (minted.replyId === undefined) found.push('sets no X-Request-ID on the reply')
  else if (minted.replyId !== minted.told.requestId) found.push('replies with another X-Request-ID than the app got')
  if (minted.told.forwardedFor !== '127.0.0.1') found.push(`sends X-Forwarded-For “${minted.told.forwardedFor}”`)
  if (minted.told.forwardedHost !== HOST) found.push(`sends X-Forwarded-Host “${minted.told.forwardedHost}”`)
  if (minted.told.forwardedProto !== 'http') found.push(`sends X-Forwarded-Proto “${minted.told.forwardedProto}”`)

  const kept = await echo({ 'X-Request-ID': CLIENT_ID })
  if (kept.told.requestId !== CLIENT_ID) found.push('does not pass on the client’s X-Request-ID')
  if (kept.replyId !== CLIENT_ID) found.push('does not reply with the client’s X-Request-ID')
  if (kept.told.connection !== minted.told.connection) found.push('keeps no connection to the upstream')
  agent.destroy()

  const upstreamConnections = new Set<string>()
  for (let client = 0; client < CLOSING_CLIENTS; client++) {
    upstreamConnections.add((await echo({ Connection: 'close' }, false)).told.connection)
  }
  if (upstreamConnections.size === CLOSING_CLIENTS) {
    found.push('closes its connection to the upstream when a client wants its own closed')
  }
  return found
}

/** @throws Error where uploads do not reach the upstream whole */
export const checkUpload = async (port: number): Promise<void> => {
  const bytesRead = await readByUpload(port)
  if (!(bytesRead >= UPLOAD_BYTES)) throw new Error(`of an upload through port ${port}, ${bytesRead} bytes arrived`)
}
