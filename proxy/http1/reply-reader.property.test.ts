import { expect, it } from 'vitest'
import { Dice, generatedDelivery } from '../testing/generated-replies.ts'
import { llhttpReader } from '../testing/llhttp.ts'
import { type Delivery, type Reading, readWithOurs } from '../testing/reading.ts'

/*
 * The reader against llhttp, which undici reads replies with: what both make of the same bytes is the same, but for
 * what this table names. Each row is told by the bytes alone.
 */

const REPLIES = 200_000

const readWithLlhttp = llhttpReader()

/** Bytes taken apart with no regard for whether they are right. */
interface Anatomy {
  /** Of each `1xx` and of the reply, with the empty line; the last may want its end. */
  readonly heads: readonly string[]
  /** What stands behind the heads, while the last of them is whole. */
  readonly rest: string
  readonly isHeadWhole: boolean
}

const anatomy = (bytes: string): Anatomy => {
  const heads: string[] = []
  for (let rest = bytes; ; ) {
    const end = rest.indexOf('\r\n\r\n') + 4
    if (end === 3) return { heads: [...heads, rest], rest: '', isHeadWhole: false }
    const head = rest.slice(0, end)
    heads.push(head)
    rest = rest.slice(end)
    if (!/^[^ ]* (?:0\d\d|100|10[2-9]|1[1-9]\d)(?!\d)/.test(head)) return { heads, rest, isHeadWhole: true }
    if (rest === '') return { heads, rest, isHeadWhole: true }
  }
}

const wholeHeads = ({ heads, isHeadWhole }: Anatomy): readonly string[] => (isHeadWhole ? heads : heads.slice(0, -1))

/** Values as they stand, blanks and all. */
const valuesIn = (head: string, name: RegExp): string[] =>
  head
    .split('\r\n')
    .filter((line) => name.test(line))
    .map((line) => line.slice(line.indexOf(':') + 1))

const CODING = /^transfer-encoding:/i
const LENGTH = /^content-length:/i
const isChunked = (value: string): boolean => /^[ \t]*chunked[ \t]*$/i.test(value)

interface Chunks {
  /** Without leading zeros. */
  readonly sizes: string[]
  /** What stands behind each size, to the end of its line. */
  readonly extensions: string[]
  /** What follows the last chunk, where it gets that far. */
  readonly trailers: string
}

const chunksIn = (method: string, { heads, rest }: Anatomy): Chunks => {
  const chunks = { sizes: [] as string[], extensions: [] as string[], trailers: '' }
  const head = heads.at(-1) ?? ''
  if (method === 'HEAD' || / [23]04/.test(head.slice(0, 13)) || !valuesIn(head, CODING).some(isChunked)) return chunks
  for (let body = rest; body !== ''; ) {
    const [line, size, extension] = /^0*([0-9a-f]*)([^\r\n]*(?:\r\n|\r$)?)/i.exec(body) as unknown as [
      string,
      string,
      string,
    ]
    chunks.sizes.push(size)
    chunks.extensions.push(extension)
    body = body.slice(line.length)
    if (size === '') return { ...chunks, trailers: body }
    body = body.slice(Number.parseInt(size, 16) + 2)
  }
  return chunks
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*'
/** Extensions and the end of their line, or the beginning of that. */
const EXTENSIONS = RegExp(
  `^(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}"))?)*(?:\\r\\n?|;(?:${TOKEN}=(?:${QUOTED}\\\\?)?)?)?$`,
)

/** What llhttp takes and ours never does. */
const STRICTER: Readonly<Record<string, (parts: Anatomy, chunks: Chunks) => boolean>> = {
  // RFC 9112 §2.3: a reply's version is 1.x; there is no 1.x reply to what an HTTP/0.9 or HTTP/2 server thinks it got.
  'a version other than 1.x': ({ heads }) => heads.some((head) => /^HTTP\/[^1]/.test(head)),
  // RFC 9112 §2.1: llhttp reads RTSP and ICE too, as it is asked for neither.
  'another protocol': ({ heads }) => heads.some((head) => /^(?!H(?:T(?:T(?:P(?:\/|$)|$)|$)|$))[^\r\n]/.test(head)),
  // RFC 9112 §2.2 lets a server pass over empty lines before a request, and says nothing of the kind of replies.
  'line ends before the status line': ({ heads }) => heads.some((head) => /^[\r\n]/.test(head)),
  // RFC 9112 §2.2: a line ends in CRLF, and a CR alone is none.
  'a status line that ends in CR CR': ({ heads }) => heads.some((head) => /^[^\r\n]+\r\r/.test(head)),
  // RFC 9110 §15: a status is a number from 100 to 599; to 999 it is taken as x00.
  'a status below 100': (parts) => wholeHeads(parts).some((head) => /^HTTP\/1\.[01] 0\d\d/.test(head)),
  // RFC 9112 §4: a reason is visible characters and blanks.
  'a control character in the reason': (parts) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    wholeHeads(parts).some((head) => /^HTTP\/1\.[01] \d{3} [^\r\n]*[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(head)),
  // RFC 9112 §6.1: only what was asked for with TE may come, and the proxy asks for trailers alone.
  'a transfer coding other than chunked': (parts) =>
    wholeHeads(parts).some((head) => valuesIn(head, CODING).some((value) => !isChunked(value))),
  // RFC 9112 §7.1: chunked is applied once.
  'more than one Transfer-Encoding': (parts) => wholeHeads(parts).some((head) => valuesIn(head, CODING).length > 1),
  // RFC 9112 §6.1: a client must treat such a reply as malformed.
  'Transfer-Encoding in HTTP/1.0': (parts) =>
    wholeHeads(parts).some((head) => head.startsWith('HTTP/1.0') && valuesIn(head, CODING).length > 0),
  // RFC 9110 §8.6 asks recipients to guard against what their numbers cannot hold.
  'a Content-Length beyond 2^53-1': (parts) =>
    wholeHeads(parts).some((head) => valuesIn(head, LENGTH).some((value) => Number(value) > Number.MAX_SAFE_INTEGER)),
  // RFC 9112 §7.1: as above, of chunks.
  'a chunk size of more than 12 digits': (_parts, { sizes }) => sizes.some((size) => size.length > 12),
  // RFC 9112 §7.1.1: what stands behind a size is names, each with a value or none.
  'a malformed chunk extension': (_parts, { extensions }) => extensions.some((text) => !EXTENSIONS.test(text)),
}

/** What ours takes, rightly, and llhttp does not; and the same, in as many bytes, said so that llhttp takes it. */
const MORE_LENIENT: Readonly<Record<string, (bytes: string, method: string) => string>> = {
  // RFC 9112 §5: blanks around a value are spaces and tabs alike, and no part of it.
  'a tab behind a Content-Length or Transfer-Encoding': (bytes) =>
    bytes.replace(
      /(?<=\ncontent-length:[ \t]*\d+ *|\ntransfer-encoding:[ \t]*chunked *)[ \t]+(?=\r\n|\r?$)/gi,
      (blanks) => ' '.repeat(blanks.length),
    ),
  // RFC 9110 §6.5.1: such a trailer is to be ignored, as `replyTrailers` does; it comes too late to frame anything.
  'a Content-Length among the trailers': (bytes, method) => {
    const { trailers } = chunksIn(method, anatomy(bytes))
    return bytes.slice(0, bytes.length - trailers.length) + trailers.replace(/(?<=^|\n)c(?=ontent-length:)/gi, 'x')
  },
  // RFC 9112 §9.6: a server closes behind the final reply, and RFC 9110 §15.2: a `1xx` is not that.
  'an interim reply that says close, or HTTP/1.0': (bytes) => {
    const { heads } = anatomy(bytes)
    const before = heads.slice(0, -1).join('')
    const mended = before
      .replace(/(?<=^|\r\n\r\n)HTTP\/1\.0/g, 'HTTP/1.1')
      .replace(/(?<=\n)[cp](?=(?:onnection|roxy-connection):)/gi, 'x')
    return mended + bytes.slice(before.length)
  },
}

const isSame = (one: Reading, other: Reading): boolean => JSON.stringify(one) === JSON.stringify(other)

/** What may differ on any reply: llhttp refuses a head at its first wrong byte, ours sometimes only as it ends. */
const LATER = 'a head, or trailers, refused as they end'

const agree = (delivery: Delivery, ours: Reading, theirs: Reading): boolean =>
  isSame(ours, theirs) ||
  (theirs.verdict === 'refused' &&
    (ours.verdict === 'waiting' || ours.verdict === 'cut') &&
    readWithOurs({ ...delivery, pieces: [...delivery.pieces, '\r\n\r\n'] }).verdict === 'refused')

const resplit = (delivery: Delivery, bytes: string): Delivery => {
  let at = 0
  return { ...delivery, pieces: delivery.pieces.map((piece) => bytes.slice(at, (at += piece.length))) }
}

/** How both read a delivery: what is wrong with that, if anything is, and which rows of the tables apply. */
interface Comparison {
  readonly fault: string | undefined
  readonly differences: readonly string[]
  readonly isTakenByLlhttp: boolean
}

const compared = (delivery: Delivery): Comparison => {
  const ours = readWithOurs(delivery)
  const theirs = readWithLlhttp(delivery)
  const isTakenByLlhttp = theirs.verdict === 'whole' || theirs.verdict === 'switched'
  const bytes = delivery.pieces.join('')
  const parts = anatomy(bytes)
  const chunks = chunksIn(delivery.method, parts)
  const stricter = Object.keys(STRICTER).filter((name) => STRICTER[name]?.(parts, chunks) === true)
  const found = (fault?: string, differences: readonly string[] = []) => ({ fault, differences, isTakenByLlhttp })

  if (stricter.length > 0) {
    if (ours.verdict !== 'refused') return found(`ours took ${stricter}`)
    return found(undefined, theirs.verdict === 'refused' ? [] : stricter)
  }
  if (agree(delivery, ours, theirs)) return found(undefined, isSame(ours, theirs) ? [] : [LATER])

  let mended = bytes
  const lenient = Object.keys(MORE_LENIENT).filter((name) => {
    const before = mended
    mended = MORE_LENIENT[name]?.(mended, delivery.method) ?? mended
    return mended !== before
  })
  if (lenient.length === 0) return found('they differ')
  const mendedDelivery = resplit(delivery, mended)
  const oursOfMended = readWithOurs(mendedDelivery)
  if (!agree(mendedDelivery, oursOfMended, readWithLlhttp(mendedDelivery))) {
    return found(`they differ, and not only by ${lenient}`)
  }
  const framing = ({ verdict, heads, body, leftBytes }: Reading) => [verdict, heads.length, body, leftBytes].join()
  if (framing(ours) !== framing(oursOfMended)) return found(`ours frames ${lenient} otherwise than what means the same`)
  return found(undefined, lenient)
}

/** The smallest piece of the delivery's bytes that has the same fault. */
const shrunk = (delivery: Delivery, fault: string): Delivery => {
  let bytes = delivery.pieces.join('')
  const whole = (text: string): Delivery => ({ ...delivery, pieces: text === '' ? [] : [text] })
  if (compared(whole(bytes)).fault !== fault) return delivery
  for (let size = bytes.length; size >= 1; size >>= 1) {
    for (let at = 0; at < bytes.length; ) {
      const shorter = bytes.slice(0, at) + bytes.slice(at + size)
      if (compared(whole(shorter)).fault === fault) bytes = shorter
      else at += size
    }
  }
  return whole(bytes)
}

it(`of ${REPLIES} replies, right and wrong, all are read as llhttp reads them, but for what is named above`, () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
  const seen = new Map<string, number>()
  let taken = 0
  for (let count = 0; count < REPLIES; count++) {
    const delivery = generatedDelivery(new Dice(seed + count))
    const { fault, differences, isTakenByLlhttp } = compared(delivery)
    if (fault !== undefined) {
      const smallest = shrunk(delivery, fault)
      expect.fail(
        `SEED=${seed}: ${fault} (as in ${JSON.stringify(smallest)}): ours ${JSON.stringify(readWithOurs(smallest))}, llhttp ${JSON.stringify(readWithLlhttp(smallest))}`,
      )
    }
    if (isTakenByLlhttp) taken++
    for (const name of differences) seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  const names = [...Object.keys(STRICTER), ...Object.keys(MORE_LENIENT), LATER]
  expect([...seen.keys()].sort(), 'each difference is seen').toEqual(names.sort())
  expect(taken / REPLIES, 'the replies are about as often right as wrong').toBeGreaterThan(0.4)
  expect(taken / REPLIES).toBeLessThan(0.75)
})
