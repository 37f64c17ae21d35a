import type { ReplyHead } from '../reply.ts'
import { httpDate } from './http-date.ts'

/**
 * A reply's head as it stands on the wire. `Connection` and `Transfer-Encoding` are this connection's; `Date` is added
 * where the app gave none (RFC 9110 §6.6.1); trailers are announced only where they can be sent.
 */
export const replyHeadText = (
  { status, statusText, headers }: ReplyHead,
  isChunked: boolean,
  closes: boolean,
  httpVersionMinor: number,
): string => {
  let text = `HTTP/1.1 ${status} ${statusText}\r\n`
  let hasDate = false
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === 'date') hasDate = true
        break
      case 7:
        if (!isChunked && name.toLowerCase() === 'trailer') continue
        break
      case 10:
        if (name.toLowerCase() === 'connection') continue
    }
    text += `${name}: ${headers[index + 1]}\r\n`
  }
  if (!hasDate) text += `Date: ${httpDate()}\r\n`
  if (isChunked) text += 'Transfer-Encoding: chunked\r\n'
  if (closes) text += 'Connection: close\r\n'
  else if (httpVersionMinor === 0) text += 'Connection: keep-alive\r\n'
  return `${text}\r\n`
}
