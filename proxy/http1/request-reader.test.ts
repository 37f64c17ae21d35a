import { describe, expect, it } from 'vitest'
import { type RequestsReading, readRequestsWithOurs } from '../testing/request-reading.ts'
import { MalformedMessage, SectionTooLarge } from './malformed.ts'
import { RequestReader } from './request-reader.ts'

const LIMIT = 1_000

const read = (...pieces: readonly string[]): RequestsReading => readRequestsWithOurs(pieces, LIMIT)

/** Reads the bytes in one piece; holds that any two pieces, and single octets, come to the same. */
const readInAnyPieces = (bytes: string): RequestsReading => {
  const reading = read(bytes)
  for (let cut = 1; cut < bytes.length; cut++) {
    expect(read(bytes.slice(0, cut), bytes.slice(cut)), `cut at ${cut}`).toEqual(reading)
  }
  expect(read(...bytes), 'octet by octet').toEqual(reading)
  return reading
}

const REFUSED: RequestsReading = { requests: [], unfinished: undefined, isRefused: true }
/** What is behind a request that was refused is read by nobody. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const GET = 'GET / HTTP/1.1\r\n'
const POST = 'POST / HTTP/1.1\r\n'

describe('a head', () => {
  it.each([
    ['as it should be', `${GET}Host: a\r\n\r\n`, ['GET / 1.1', 'Host', 'a']],
    ['of HTTP/1.0, and without a field', 'GET / HTTP/1.0\r\n\r\n', ['GET / 1.0']],
    ['with a method that nobody knows', "!#$%&'*+-.^_`|~ / HTTP/1.1\r\n\r\n", ["!#$%&'*+-.^_`|~ / 1.1"]],
    ['with a method in small letters, which is another one', 'get / HTTP/1.1\r\n\r\n', ['get / 1.1']],
    ['with the longest method there is', `${'X'.repeat(32)} / HTTP/1.1\r\n\r\n`, [`${'X'.repeat(32)} / 1.1`]],
    ['with a path and a query', 'GET /a/b?c=d&%zz#e HTTP/1.1\r\n\r\n', ['GET /a/b?c=d&%zz#e 1.1']],
    ['with a target in absolute form', 'GET http://a:1/b HTTP/1.1\r\n\r\n', ['GET http://a:1/b 1.1']],
    ['with an authority for a target', 'CONNECT a:1 HTTP/1.1\r\n\r\n', ['CONNECT a:1 1.1']],
    ['for the server itself', 'OPTIONS * HTTP/1.1\r\n\r\n', ['OPTIONS * 1.1']],
    ['with what is no URI, but visible', 'GET /"<>\\^`{|} HTTP/1.1\r\n\r\n', ['GET /"<>\\^`{|} 1.1']],
    ['with fields in order', `${GET}b: 1\r\nA:\r\nB:2\t \r\n\r\n`, ['GET / 1.1', 'b', '1', 'A', '', 'B', '2']],
    ['with octets above ASCII in a value', `${GET}A: gr\xfc\xff\r\n\r\n`, ['GET / 1.1', 'A', 'gr\xfc\xff']],
    ['behind an empty line', `\r\n${GET}\r\n`, ['GET / 1.1']],
    ['behind many empty lines', `\r\n\r\n\r\n\r\n\r\n${GET}\r\n`, ['GET / 1.1']],
  ])('%s is read', (_what, bytes, head) => {
    expect(readInAnyPieces(bytes)).toEqual({
      requests: [{ head, body: '', trailers: [], endsAt: bytes.length }],
      unfinished: undefined,
      isRefused: false,
    })
  })

  it.each([
    ['HTTP/0.9', 'GET /\r\n\r\n'],
    ['HTTP/0.9 by name', 'GET / HTTP/0.9\r\n\r\n'],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\n\r\n'],
    ['HTTP/2.0', 'GET / HTTP/2.0\r\n\r\n'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['no minor version', 'GET / HTTP/1\r\n\r\n'],
    ['a minor version of two digits', 'GET / HTTP/1.10\r\n\r\n'],
    ['a minor version that is no number', 'GET / HTTP/1.x\r\n\r\n'],
    ['a protocol in small letters', 'GET / http/1.1\r\n\r\n'],
    ['another protocol', 'SETUP / RTSP/1.0\r\n\r\n'],
    ['a blank behind the version', 'GET / HTTP/1.1 \r\n\r\n'],
    ['two versions', 'GET / HTTP/1.1 HTTP/1.1\r\n\r\n'],
    ['no method', ' / HTTP/1.1\r\n\r\n'],
    ['a method that is no token', 'G(T / HTTP/1.1\r\n\r\n'],
    ['a method longer than any', `${'X'.repeat(33)} / HTTP/1.1\r\n\r\n`],
    ['no target', 'GET  HTTP/1.1\r\n\r\n'],
    ['a blank before the method', ` ${GET}\r\n`],
    ['two blanks before the target', 'GET  / HTTP/1.1\r\n\r\n'],
    ['two blanks behind the target', 'GET /  HTTP/1.1\r\n\r\n'],
    ['a tab before the target', 'GET\t/ HTTP/1.1\r\n\r\n'],
    ['a tab behind the target', 'GET /\tHTTP/1.1\r\n\r\n'],
    ['a blank in the target', 'GET /a b HTTP/1.1\r\n\r\n'],
    ['a control character in the target', 'GET /\0 HTTP/1.1\r\n\r\n'],
    ['DEL in the target', 'GET /\x7f HTTP/1.1\r\n\r\n'],
    ['an octet above ASCII in the target', 'GET /\xff HTTP/1.1\r\n\r\n'],
    ['an LF alone before it', `\n${GET}\r\n`],
    ['a CR alone before it', `\r${GET}\r\n`],
    ['two CRs before it', `\r\r\n${GET}\r\n`],
    ['an LF alone behind the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
    ['a CR alone behind the request line', 'GET / HTTP/1.1\rHost: a\r\n\r\n'],
    ['two CRs behind the request line', 'GET / HTTP/1.1\r\r\nHost: a\r\n\r\n'],
    ['LFs for line ends', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['an LF alone behind a field', `${GET}A: b\nContent-Length: 3\r\n\r\n`],
    ['a CR alone behind a field', `${GET}A: b\rContent-Length: 3\r\n\r\n`],
    ['an LF alone for the empty line', `${GET}A: b\r\n\n`],
    ['a NUL in a value', `${GET}A: b\0c\r\n\r\n`],
    ['a folded line', `${GET}A: b\r\n c\r\n\r\n`],
    ['a folded first line', `${GET} A: b\r\n\r\n`],
    ['a blank before a colon', `${POST}Content-Length : 3\r\n\r\n`],
    ['a tab before a colon', `${POST}Transfer-Encoding\t: chunked\r\n\r\n`],
    ['a name that is none', `${GET}A(b): c\r\n\r\n`],
    ['a field without a name', `${GET}: c\r\n\r\n`],
    ['a field without a colon', `${GET}A\r\n\r\n`],
  ])('with %s is refused, and so is all that follows', (_what, bytes) => {
    expect(readInAnyPieces(bytes)).toEqual(REFUSED)
    expect(read(bytes + SMUGGLED)).toEqual(REFUSED)
  })

  it('of another protocol is refused at its first octets, not waited for', () => {
    for (const bytes of [
      '\x16\x03\x01',
      '\0',
      '\x05\x01',
      '{',
      '"',
      '\n',
      '\rG',
      ' ',
      'G\0',
      `${'X'.repeat(33)}`,
      '\xef\xbb\xbf',
    ]) {
      expect(readInAnyPieces(bytes), JSON.stringify(bytes)).toEqual(REFUSED)
    }
    for (const bytes of [
      '',
      '\r',
      '\r\n',
      '\r\n\r',
      'G',
      'SSH-2.0-x',
      'X'.repeat(32),
      'GET ',
      'GET / HTTP/1.1\r',
      `${GET}A`,
    ]) {
      expect(readInAnyPieces(bytes), JSON.stringify(bytes)).toEqual({ ...REFUSED, isRefused: false })
    }
  })

  it('up to the limit is taken, and a longer one is refused, in however many pieces it comes', () => {
    const head = (bytes: number) => `${GET}A: ${'b'.repeat(bytes - GET.length - 3)}\r\n\r\n`
    expect(head(LIMIT)).toHaveLength(LIMIT + 4)
    expect(readInAnyPieces(head(LIMIT))).toMatchObject({ isRefused: false, requests: [{ endsAt: LIMIT + 4 }] })
    expect(readInAnyPieces(head(LIMIT + 1))).toEqual(REFUSED)
    for (const bytes of [LIMIT + 4, LIMIT + 5, 2 * LIMIT, 100 * LIMIT]) {
      expect(read(head(bytes)), `${bytes}`).toEqual(REFUSED)
      expect(read(...head(bytes)), `${bytes} in many`).toEqual(REFUSED)
    }
  })

  it.each([
    ['in its request line', `GET /${'a'.repeat(2 * LIMIT)}`, true],
    ['in its fields', `${GET}${'A: b\r\n'.repeat(LIMIT)}`, false],
  ])('that is too large says whether it is so %s', (_where, bytes, isWithinFirstLine) => {
    const reader = new RequestReader({ onBody: () => expect.fail('no body') }, LIMIT)
    expect(() => reader.readHead(Buffer.from(bytes), 0)).toThrow(expect.objectContaining({ isWithinFirstLine }))
    expect(() => reader.readHead(Buffer.from(bytes), 0)).toThrow(SectionTooLarge)
  })
})

describe('a body', () => {
  it.each([
    ['of a length', `${POST}Content-Length: 5\r\n\r\nhello`, 'hello'],
    ['of a length, in HTTP/1.0', 'POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
    [
      'of a length, that looks like a request',
      `${POST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      SMUGGLED,
    ],
    ['of no length', `${POST}Content-Length: 0\r\n\r\n`, ''],
    ['that is not said to be', `${POST}\r\n`, ''],
    ['of a GET', `${GET}Content-Length: 5\r\n\r\nhello`, 'hello'],
    ['of a HEAD', 'HEAD / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
    ['in chunks', `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a\r\n!\r\n0\r\n\r\n`, 'hello!'],
    [
      'in chunks that look like requests',
      `${POST}Transfer-Encoding: Chunked\r\n\r\n23\r\n${SMUGGLED}\r\n0\r\n\r\n`,
      SMUGGLED,
    ],
    ['in no chunk', `${POST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, ''],
  ])('%s is whole with its last octet, and the next request begins behind it', (_what, bytes, body) => {
    expect(readInAnyPieces(bytes)).toMatchObject({ requests: [{ body, endsAt: bytes.length }], isRefused: false })
    expect(readInAnyPieces(bytes + SMUGGLED)).toMatchObject({
      requests: [
        { body, endsAt: bytes.length },
        { head: ['GET /smuggled 1.1', 'Host', 'a'], endsAt: bytes.length + SMUGGLED.length },
      ],
    })
    for (let end = 1; end < bytes.length; end++) {
      expect(read(bytes.slice(0, end)), `to ${end}`).toMatchObject({ requests: [], isRefused: false })
    }
  })

  it('in chunks may have trailers, which end with the request', () => {
    const bytes = `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\na:\r\n\r\n`
    expect(readInAnyPieces(`${bytes}${GET}\r\n`).requests).toMatchObject([
      { body: 'x', trailers: ['A', 'b', 'a', ''], endsAt: bytes.length },
      { body: '', trailers: [] },
    ])
  })

  it('is not changed by trailers that would frame it otherwise', () => {
    const bytes = `${POST}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\n\r\n`
    expect(readInAnyPieces(bytes + SMUGGLED).requests.map(({ endsAt }) => endsAt)).toEqual([
      bytes.length,
      bytes.length + SMUGGLED.length,
    ])
  })

  it.each([
    ['a length that is none', `${POST}Content-Length: +5\r\n\r\nhello`],
    ['a list for a length', `${POST}Content-Length: 5, 5\r\n\r\nhello`],
    ['a length beyond any', `${POST}Content-Length: 9007199254740992\r\n\r\nhello`],
    ['two lengths', `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
    ['the same length twice', `${POST}Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello`],
    ['a length before chunked', `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a length behind chunked', `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
    ['another coding', `${POST}Transfer-Encoding: gzip\r\n\r\n`],
    ['another coding before chunked', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['another coding behind chunked', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
    ['chunked twice', `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['no coding', `${POST}Transfer-Encoding:\r\n\r\n0\r\n\r\n`],
    ['chunked with a vertical tab', `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
    ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ])('whose end cannot be told, as of %s, is refused, and so is all that follows', (_what, bytes) => {
    expect(readInAnyPieces(bytes)).toEqual(REFUSED)
    expect(read(bytes + SMUGGLED)).toEqual(REFUSED)
  })

  it.each([
    ['a size that is no number', 'x\r\n'],
    ['a size behind a blank', ' 5\r\nhello\r\n'],
    ['a size with a sign', '+5\r\nhello\r\n'],
    ['a size before a blank', '5 \r\nhello\r\n'],
    ['a size that ends in LF alone', '5\nhello\r\n'],
    ['a size beyond any', 'fffffffffffff\r\nhello'],
    ['no line end behind a chunk', '5\r\nhello0\r\n\r\n'],
    ['two other octets for the line end behind a chunk', '5\r\nhelloxx0\r\n\r\n'],
    ['a size that ends in CR and another octet', '5\rxhello\r\n0\r\n\r\n'],
    ['an LF alone behind a chunk', '5\r\nhello\n0\r\n\r\n'],
    ['an extension that holds an LF', '5;a\nb\r\nhello\r\n'],
    ['an LF alone among the trailers', '0\r\nA: b\n\r\n\r\n'],
    ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n'],
  ])('in chunks with %s is refused, and so is all that follows', (_what, chunks) => {
    const bytes = `${POST}Transfer-Encoding: chunked\r\n\r\n`
    expect(readInAnyPieces(bytes + chunks + SMUGGLED)).toMatchObject({ requests: [], isRefused: true })
  })
})

describe('on one connection', () => {
  it('requests are read one after the other, with empty lines between them or none', () => {
    const bytes = `${POST}Content-Length: 3\r\n\r\none\r\n${GET}\r\n${POST}Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n${GET}A: b\r\n\r\n`
    expect(readInAnyPieces(bytes).requests.map(({ head, body }) => [head[0], body])).toEqual([
      ['POST / 1.1', 'one'],
      ['GET / 1.1', ''],
      ['POST / 1.1', 'two'],
      ['GET / 1.1', ''],
    ])
  })

  it('a head is known to be under way from its first octet to its last', () => {
    const reader = new RequestReader({ onBody: () => undefined }, LIMIT)
    const isWithinHead: boolean[] = []
    for (const octet of `\r\n${GET}A: b\r\n\r\n`) {
      reader.readHead(Buffer.from(octet), 0)
      isWithinHead.push(reader.isWithinHead)
    }
    // Neither the empty line in front of it nor what is behind it.
    expect(isWithinHead).toEqual([false, false, ...isWithinHead.slice(3).map(() => true), false])
    expect(new RequestReader({ onBody: () => undefined }, LIMIT).isWithinHead).toBe(false)
  })

  it('what is wrong with the framing is told beside the head, and no body is read', () => {
    const reader = new RequestReader({ onBody: () => expect.fail('no body') }, LIMIT)
    const bytes = Buffer.from(`${POST}Content-Length: x\r\n\r\nhello`)
    const request = reader.readHead(bytes, 0)
    expect(request?.framing).toBeInstanceOf(MalformedMessage)
    expect(request).toMatchObject({ method: 'POST', rawHeaders: ['Content-Length', 'x'] })
    expect(reader.readBody(bytes, reader.headEnd)).toBe(reader.headEnd)
  })

  it('a head counts alone, not with what came before it', () => {
    const bytes = `${GET}A: ${'b'.repeat(LIMIT / 2)}\r\n\r\n`.repeat(10)
    expect(read(bytes).requests).toHaveLength(10)
    expect(read(...bytes).requests).toHaveLength(10)
  })
})
