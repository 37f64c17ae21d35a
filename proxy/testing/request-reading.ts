import { MalformedMessage } from '../http1/malformed.ts'
import { RequestReader } from '../http1/request-reader.ts'

/** A request as a reader read it, octets as latin1. */
export interface ReadRequest {
  /** Method, target and version, and then the names and values of its fields in turn. */
  readonly head: readonly string[]
  readonly body: string
  /** Names and values in turn. */
  readonly trailers: readonly string[]
  /** How many bytes of the connection come before its end. */
  readonly endsAt: number
}

/** What a reader made of the bytes of a connection. */
export interface RequestsReading {
  /** Those that came whole. */
  readonly requests: readonly ReadRequest[]
  /** The last one, where its head came whole and its body did not; its end is 0. */
  readonly unfinished: ReadRequest | undefined
  readonly isRefused: boolean
}

/**
 * Reads a connection with the proxy's own reader, in the order in which `ClientConnection` asks it. A request whose
 * framing cannot be told is refused with its head.
 */
export const readRequestsWithOurs = (pieces: readonly string[], headLimitBytes = 65_536): RequestsReading => {
  const requests: ReadRequest[] = []
  let body = ''
  let head: readonly string[] | undefined
  let pieceStart = 0
  const reader = new RequestReader(
    {
      onBody: (bytes) => {
        body += bytes.toString('latin1')
      },
    },
    headLimitBytes,
  )
  const endOfBody = (endsAt: number): void => {
    if (head === undefined || !reader.isBodyDone) return
    requests.push({ head, body, trailers: reader.trailers, endsAt })
    head = undefined
    body = ''
  }
  const read = (bytes: Buffer, at: number): number => {
    if (head !== undefined) return reader.readBody(bytes, at)
    const request = reader.readHead(bytes, at)
    if (request === undefined) return reader.headEnd
    if (request.framing instanceof MalformedMessage) throw request.framing
    head = [`${request.method} ${request.target} 1.${request.httpVersionMinor}`, ...request.rawHeaders]
    return reader.headEnd
  }
  const reading = (isRefused: boolean): RequestsReading => ({
    requests,
    unfinished: head === undefined ? undefined : { head, body, trailers: [], endsAt: 0 },
    isRefused,
  })
  try {
    for (const piece of pieces) {
      // Memory of its own, that is overwritten once it has been read, as that of a socket is.
      const bytes = Buffer.from(piece, 'latin1')
      for (let at = 0; at < bytes.length; ) {
        at = read(bytes, at)
        endOfBody(pieceStart + at)
      }
      bytes.fill(0xff)
      pieceStart += piece.length
    }
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return reading(true)
  }
  return reading(false)
}
