import { MalformedMessage } from './malformed.ts'

/** How a message says where its body ends (RFC 9112 §6). */
export interface Framing {
  readonly isChunked: boolean
  /** Of the body, in bytes; undefined where the message does not say. */
  readonly length: number | undefined
}

const UNSAID: Framing = Object.freeze({ isChunked: false, length: undefined })
const CHUNKED: Framing = Object.freeze({ isChunked: true, length: undefined })

/**
 * What a header section says of the body's end. A message that says it twice is refused even where both agree: what
 * is behind us, or before us, might heed the other one.
 *
 * @throws MalformedMessage
 */
export const framing = (rawHeaders: readonly string[], httpVersionMinor: number): Framing => {
  let length: number | undefined
  let isChunked = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== undefined) throw new MalformedMessage('more than one Content-Length')
      length = bodyLength(rawHeaders[index + 1] as string)
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (isChunked) throw new MalformedMessage('more than one Transfer-Encoding')
      if ((rawHeaders[index + 1] as string).toLowerCase() !== 'chunked') {
        throw new MalformedMessage('a transfer coding other than chunked')
      }
      isChunked = true
    }
  }
  if (!isChunked) return length === undefined ? UNSAID : { isChunked, length }
  if (length !== undefined) throw new MalformedMessage('Content-Length beside Transfer-Encoding')
  if (httpVersionMinor === 0) throw new MalformedMessage('Transfer-Encoding in HTTP/1.0')
  return CHUNKED
}

const bodyLength = (text: string): number => {
  const length = Number(text)
  if (!/^\d+$/.test(text) || length > Number.MAX_SAFE_INTEGER) {
    throw new MalformedMessage('a Content-Length that is no length')
  }
  return length
}
