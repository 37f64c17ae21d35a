import { MalformedMessage } from '../http1/malformed.ts'
import { ReplyReader } from '../http1/reply-reader.ts'

/** A reply as it comes to a reader: octets as latin1, in pieces, and whether its connection ends behind them. */
export interface Delivery {
  readonly method: 'GET' | 'HEAD'
  readonly pieces: readonly string[]
  readonly isEnded: boolean
}

/** What a reader made of a delivery. */
export interface Reading {
  /** `cut` where the connection ended before the reply did; `waiting` where it is open and more is due. */
  readonly verdict: 'whole' | 'switched' | 'waiting' | 'cut' | 'refused'
  /** Of each `1xx`, then of the reply: version, status and reason, and then names and values in turn. */
  readonly heads: readonly (readonly string[])[]
  readonly body: string
  /** Names and values in turn. */
  readonly trailers: readonly string[]
  /** How many bytes came behind the reply, for one that is whole or has switched. */
  readonly leftBytes: number
}

/** Reads a delivery with the proxy's own reader. */
export const readWithOurs = ({ method, pieces, isEnded }: Delivery, headLimitBytes = 65_536): Reading => {
  const heads: string[][] = []
  let body = ''
  const reader = new ReplyReader(
    {
      onHead: ({ httpVersionMinor, status, statusText, rawHeaders }) => {
        heads.push([`1.${httpVersionMinor} ${status} ${statusText}`, ...rawHeaders])
      },
      onBody: (bytes) => {
        body += bytes.toString('latin1')
      },
    },
    headLimitBytes,
  )
  reader.begin(method)
  let leftBytes = 0
  let isRefused = false
  try {
    for (const piece of pieces) leftBytes += piece.length - reader.read(Buffer.from(piece, 'latin1'))
    if (isEnded) reader.close()
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    isRefused = true
  }
  const isOver = reader.isDone || reader.hasSwitched
  return {
    verdict: isRefused ? 'refused' : reader.hasSwitched ? 'switched' : isOver ? 'whole' : isEnded ? 'cut' : 'waiting',
    heads,
    body,
    trailers: reader.trailers,
    leftBytes: isOver && !isRefused ? leftBytes : 0,
  }
}
