/** One reply as it stood on the wire. */
export interface RawReply {
  readonly status: number
  /** Names and values in order, as they were sent. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  /** Whether its framing says that nothing is missing; a body that ends with its connection never does. */
  readonly isWhole: boolean
}

/** Every value of a field. */
export const values = (reply: Pick<RawReply, 'headers'>, lowerName: string): string[] =>
  reply.headers.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value)

/**
 * Reads what came back on a connection as replies to requests other than HEAD; `1xx` among them.
 *
 * @throws Error where it is no HTTP/1.1
 */
export const rawReplies = (received: string): RawReply[] => {
  const replies: RawReply[] = []
  let rest = received
  while (rest !== '') {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd === -1) throw new Error(`a reply's head without an end: ${JSON.stringify(rest)}`)
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
    if (!(status >= 100)) throw new Error(`no status line: ${JSON.stringify(statusLine)}`)
    const headers = lines.map((line): [string, string] => {
      const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t -~\x80-\xff]*)$/.exec(line)
      if (field === null) throw new Error(`no field line: ${JSON.stringify(line)}`)
      return [field[1] as string, field[2] as string]
    })
    const framed = readBody(status, headers, rest.slice(headEnd + 4))
    replies.push({ status, headers, body: framed.body, isWhole: framed.isWhole })
    rest = framed.rest
  }
  return replies
}

interface Framed {
  readonly body: string
  readonly rest: string
  readonly isWhole: boolean
}

const readBody = (status: number, headers: [string, string][], bytes: string): Framed => {
  if (status < 200 || status === 204 || status === 304) return { body: '', rest: bytes, isWhole: true }
  const lengths = values({ headers }, 'content-length')
  const codings = values({ headers }, 'transfer-encoding')
  if (lengths.length + codings.length > 1) throw new Error('a reply that is framed twice')
  if (codings.length === 1) return readChunks(bytes)
  if (lengths.length === 0) return { body: bytes, rest: '', isWhole: false }
  const length = Number(lengths[0])
  return { body: bytes.slice(0, length), rest: bytes.slice(length), isWhole: bytes.length >= length }
}

const readChunks = (bytes: string): Framed => {
  let body = ''
  let rest = bytes
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/i.exec(rest)
    if (size === null) return { body, rest: '', isWhole: false }
    const length = Number.parseInt(size[1] as string, 16)
    rest = rest.slice(size[0].length)
    if (length === 0) {
      const trailers = /^(?:[^\r\n]+\r\n)*\r\n/.exec(rest)
      return { body, rest: trailers === null ? '' : rest.slice(trailers[0].length), isWhole: trailers !== null }
    }
    body += rest.slice(0, length)
    if (rest.length < length + 2) return { body, rest: '', isWhole: false }
    rest = rest.slice(length + 2)
  }
}
