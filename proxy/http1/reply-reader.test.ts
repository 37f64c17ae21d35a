import { describe, expect, it } from 'vitest'
import { type Reading, readWithOurs } from '../testing/reading.ts'
import { SectionTooLarge } from './malformed.ts'
import { ReplyReader } from './reply-reader.ts'

const LIMIT = 1_000

const read = (pieces: readonly string[], method: 'GET' | 'HEAD' = 'GET', isEnded = false): Reading =>
  readWithOurs({ method, pieces, isEnded }, LIMIT)

/** Reads the bytes in one piece; holds that any two pieces, and single octets, come to the same. */
const readInAnyPieces = (bytes: string, method: 'GET' | 'HEAD' = 'GET', isEnded = false): Reading => {
  const reading = read([bytes], method, isEnded)
  for (let cut = 1; cut < bytes.length; cut++) {
    expect(read([bytes.slice(0, cut), bytes.slice(cut)], method, isEnded), `cut at ${cut}`).toEqual(reading)
  }
  expect(read([...bytes], method, isEnded), 'octet by octet').toEqual(reading)
  return reading
}

const OK = 'HTTP/1.1 200 OK\r\n'

describe('a head', () => {
  it.each([
    ['as it should be', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', ['1.1 200 OK', 'Content-Length', '0']],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', ['1.0 200 OK', 'Content-Length', '0']],
    ['without a reason', 'HTTP/1.1 204 \r\n\r\n', ['1.1 204 ']],
    ['without a reason and the blank before it', 'HTTP/1.1 204\r\n\r\n', ['1.1 204 ']],
    ['with words for a reason', 'HTTP/1.1 204 No  Content \r\n\r\n', ['1.1 204 No  Content ']],
    ['with octets above ASCII', 'HTTP/1.1 204 gr\xfc\xdfe\r\nA: \xff\r\n\r\n', ['1.1 204 gr\xfc\xdfe', 'A', '\xff']],
    [
      'with a status that nobody knows',
      'HTTP/1.1 799 ?\r\nContent-Length: 0\r\n\r\n',
      ['1.1 799 ?', 'Content-Length', '0'],
    ],
    ['with fields in order', 'HTTP/1.1 304 x\r\nb: 1\r\nA:\r\nB:2\r\n\r\n', ['1.1 304 x', 'b', '1', 'A', '', 'B', '2']],
  ])('%s', (_what, bytes, head) => {
    expect(readInAnyPieces(bytes)).toEqual({ verdict: 'whole', heads: [head], body: '', trailers: [], leftBytes: 0 })
  })

  it.each([
    ['HTTP/0.9', 'HTTP/0.9 200 OK\r\n\r\n'],
    ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['no minor version', 'HTTP/1 200 OK\r\n\r\n'],
    ['a name in small letters', 'http/1.1 200 OK\r\n\r\n'],
    ['an empty line before it', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['a blank before it', ' HTTP/1.1 200 OK\r\n\r\n'],
    ['two blanks before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['a tab before the status', 'HTTP/1.1\t200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status that is no number', 'HTTP/1.1 2x0 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a status and a reason in one', 'HTTP/1.1 200OK\r\n\r\n'],
    ['a control character in the reason', 'HTTP/1.1 200 O\x1bK\r\n\r\n'],
    ['an LF alone behind the reason', 'HTTP/1.1 200 OK\nA: b\r\n\r\n'],
    ['a CR alone behind the reason', 'HTTP/1.1 200 OK\rA: b\r\n\r\n'],
    ['two CRs behind the reason', 'HTTP/1.1 200 OK\r\rA: b\r\n\r\n'],
    ['LFs for line ends', 'HTTP/1.1 200 OK\nA: b\n\n'],
    ['a folded line', `${OK}A: b\r\n c\r\n\r\n`],
    ['a blank before a colon', `${OK}A : b\r\n\r\n`],
    ['a length that is none', `${OK}Content-Length: +5\r\n\r\nhello`],
    ['two lengths', `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
    ['a length beside chunked', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a coding other than chunked', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['chunked in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths before a reply that has no body', 'HTTP/1.1 304 x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
    ['two lengths in an interim reply', 'HTTP/1.1 103 x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n'],
  ])('with %s is refused, and nobody hears of it', (_what, bytes) => {
    expect(readInAnyPieces(bytes)).toMatchObject({ verdict: 'refused', heads: [], body: '' })
  })

  it('of another protocol is refused at its first octets, not waited for', () => {
    for (const bytes of [
      '\x16\x03\x01',
      '\0\0\x12\x04',
      'SSH-2.0-x',
      '220 mail',
      'h',
      'HTTP/2',
      'HTTPS',
      'X',
      '\n',
      ' ',
    ]) {
      expect(readInAnyPieces(bytes), bytes).toMatchObject({ verdict: 'refused', heads: [] })
    }
    for (const bytes of ['H', 'HTTP', 'HTTP/1.', 'HTTP/1.1 2', `${OK}A: b`]) {
      expect(read([bytes]), bytes).toMatchObject({ verdict: 'waiting', heads: [] })
    }
  })

  it('up to the limit is taken, and a longer one is refused, in however many pieces it comes', () => {
    const head = (bytes: number) => `${OK}A: ${'b'.repeat(bytes - OK.length - 3 - 19)}\r\nContent-Length: 0\r\n\r\n`
    expect(head(LIMIT)).toHaveLength(LIMIT + 4)
    expect(readInAnyPieces(head(LIMIT)).verdict).toBe('whole')
    expect(readInAnyPieces(head(LIMIT + 1)).verdict).toBe('refused')
    for (const bytes of [LIMIT + 4, LIMIT + 5, 2 * LIMIT, 100 * LIMIT]) {
      expect(read([head(bytes)]).verdict, `${bytes}`).toBe('refused')
      expect(read([...head(bytes)]).verdict, `${bytes} in many`).toBe('refused')
    }
  })

  it.each([1, 7, 500, LIMIT, LIMIT + 4, LIMIT + 5, 100 * LIMIT])(
    'without end is refused, as it comes by %i',
    (bytes) => {
      const reader = new ReplyReader(
        { onHead: () => expect.fail('no head'), onBody: () => expect.fail('no body') },
        LIMIT,
      )
      reader.begin('GET')
      const endless = OK + 'A: b\r\n'.repeat(200 * LIMIT)
      let sent = 0
      expect(() => {
        for (; sent < 2 * LIMIT + 2 * bytes; sent += bytes) reader.read(Buffer.from(endless.slice(sent, sent + bytes)))
      }).toThrow(SectionTooLarge)
      expect(sent, 'at once').toBeLessThanOrEqual(LIMIT + 5)
    },
  )

  it('counts alone, not with those of the interim replies before it', () => {
    const interim = `HTTP/1.1 103 x\r\nA: ${'b'.repeat(LIMIT / 2)}\r\n\r\n`
    expect(read([`${interim.repeat(10)}HTTP/1.1 204 x\r\n\r\n`]).verdict).toBe('whole')
    expect(read([...`${interim.repeat(10)}HTTP/1.1 204 x\r\n\r\n`]).verdict).toBe('whole')
  })
})

describe('a body', () => {
  it.each([
    ['of a length', `${OK}Content-Length: 5\r\n\r\nhello`, 'hello'],
    [
      'of a length, that looks like a reply',
      `${OK}Content-Length: 19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n`,
      'HTTP/1.1 200 OK\r\n\r\n',
    ],
    ['of no length', `${OK}Content-Length: 0\r\n\r\n`, ''],
    ['in chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a\r\n!\r\n0\r\n\r\n`, 'hello!'],
    ['of a length, in HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello'],
  ])('%s is whole with its last octet, and what comes behind it is left alone', (_what, bytes, body) => {
    expect(readInAnyPieces(bytes)).toMatchObject({ verdict: 'whole', body, leftBytes: 0 })
    expect(readInAnyPieces(bytes, 'GET', true)).toMatchObject({ verdict: 'whole', body })
    expect(readInAnyPieces(`${bytes}HTTP/1.1 `)).toMatchObject({ verdict: 'whole', body, leftBytes: 9 })
    for (let end = 1; end < bytes.length; end++) {
      expect(read([bytes.slice(0, end)]).verdict, `to ${end}`).toBe('waiting')
      expect(read([bytes.slice(0, end)], 'GET', true).verdict, `ended at ${end}`).toBe('cut')
    }
  })

  it('that says nothing of its end is whole as its connection ends', () => {
    for (const head of [OK, 'HTTP/1.0 200 OK\r\n']) {
      expect(readInAnyPieces(`${head}\r\nhello`)).toMatchObject({ verdict: 'waiting', body: 'hello' })
      expect(readInAnyPieces(`${head}\r\nhello`, 'GET', true)).toMatchObject({ verdict: 'whole', body: 'hello' })
      expect(readInAnyPieces(`${head}\r\n`, 'GET', true)).toMatchObject({ verdict: 'whole', body: '' })
    }
  })

  it('in chunks may have trailers', () => {
    const bytes = `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\na:\r\n\r\n\r\n`
    expect(readInAnyPieces(bytes)).toMatchObject({
      verdict: 'whole',
      body: 'x',
      trailers: ['A', 'b', 'a', ''],
      leftBytes: 2,
    })
  })

  it.each([
    ['to HEAD', 'HEAD', `${OK}Content-Length: 5\r\n\r\n`],
    ['to HEAD, in chunks', 'HEAD', `${OK}Transfer-Encoding: chunked\r\n\r\n`],
    ['to HEAD, of no said end', 'HEAD', `${OK}\r\n`],
    ['204', 'GET', 'HTTP/1.1 204 x\r\n\r\n'],
    ['204, of a length', 'GET', 'HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n'],
    ['304, of a length', 'GET', 'HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n'],
    ['304, in chunks', 'GET', 'HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ] as const)('does not follow a reply %s', (_what, method, bytes) => {
    expect(readInAnyPieces(bytes, method)).toMatchObject({ verdict: 'whole', body: '', leftBytes: 0 })
    expect(readInAnyPieces(`${bytes}hello`, method)).toMatchObject({ verdict: 'whole', body: '', leftBytes: 5 })
  })

  it('that turns out malformed is refused where it does, and what came before has been passed on', () => {
    const bytes = `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx`
    expect(readInAnyPieces(bytes)).toMatchObject({
      verdict: 'refused',
      heads: [['1.1 200 OK', 'Transfer-Encoding', 'chunked']],
      body: 'hello',
    })
  })
})

describe('interim replies', () => {
  it('come before the reply, any number of them', () => {
    const bytes = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: a\r\n\r\nHTTP/1.1 199\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`
    expect(readInAnyPieces(bytes)).toMatchObject({
      verdict: 'whole',
      heads: [['1.1 100 Continue'], ['1.1 103 x', 'Link', 'a'], ['1.1 199 '], ['1.1 200 OK', 'Content-Length', '2']],
      body: 'ok',
    })
  })

  it('are no reply, and have no body', () => {
    const bytes = 'HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\n'
    expect(readInAnyPieces(bytes)).toMatchObject({ verdict: 'waiting', body: '' })
    expect(readInAnyPieces(bytes, 'HEAD')).toMatchObject({ verdict: 'waiting' })
    expect(readInAnyPieces(bytes, 'GET', true)).toMatchObject({ verdict: 'cut' })
    expect(readInAnyPieces(`${bytes}hello`)).toMatchObject({ verdict: 'refused' })
  })

  it('with 101 are the last of what is HTTP', () => {
    const bytes = 'HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n'
    expect(readInAnyPieces(bytes)).toMatchObject({
      verdict: 'switched',
      heads: [['1.1 101 x', 'Upgrade', 'y']],
      body: '',
      leftBytes: 19,
    })
    expect(readInAnyPieces(`HTTP/1.1 100 x\r\n\r\n${bytes}`)).toMatchObject({ verdict: 'switched', leftBytes: 19 })
  })
})

describe('on one connection', () => {
  it('replies are read one after the other, each by the request that it answers', () => {
    const events: string[] = []
    const reader = new ReplyReader(
      { onHead: ({ status }) => events.push(`${status}`), onBody: (bytes) => events.push(`${bytes}`) },
      LIMIT,
    )
    const reply = (method: string, bytes: string) => {
      reader.begin(method)
      expect(reader.isDone).toBe(false)
      expect(reader.read(Buffer.from(bytes))).toBe(bytes.length)
      expect(reader.isDone).toBe(true)
    }
    expect(reader.isDone).toBe(true)
    reply('GET', `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\nA: b\r\n\r\n`)
    expect(reader.trailers).toEqual(['A', 'b'])
    reply('HEAD', 'HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\n')
    expect(reader.trailers).toEqual([])
    reply('GET', `${OK}Content-Length: 3\r\n\r\ntwo`)
    reply('POST', 'HTTP/1.1 201 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n')
    expect(events).toEqual(['200', 'one', '404', '200', 'two', '201', 'three'])
  })

  it('nothing is read while none is due, nor behind the one that was', () => {
    const reader = new ReplyReader(
      { onHead: () => expect.fail('no head'), onBody: () => expect.fail('no body') },
      LIMIT,
    )
    expect(reader.read(Buffer.from(`${OK}\r\n`))).toBe(0)
    expect(reader.isDone).toBe(true)
  })

  it('what has switched is read no more, and its end says nothing of a reply', () => {
    const reader = new ReplyReader({ onHead: () => undefined, onBody: () => expect.fail('no body') }, LIMIT)
    reader.begin('GET')
    expect(reader.read(Buffer.from('HTTP/1.1 101 x\r\n\r\nab'))).toBe(18)
    expect(reader.read(Buffer.from('cd'))).toBe(0)
    reader.close()
    expect(reader).toMatchObject({ isDone: false, hasSwitched: true })
  })
})
