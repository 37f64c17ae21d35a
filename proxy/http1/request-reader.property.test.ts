import { expect, it } from 'vitest'
import { Dice } from '../testing/generated-replies.ts'
import { generatedReads, generatedRequests } from '../testing/generated-requests.ts'
import { llhttpRequestReader } from '../testing/llhttp.ts'
import { type RequestsReading, readRequestsWithOurs } from '../testing/request-reading.ts'

/*
 * The reader against llhttp, which Node's own servers read requests with: what both make of the bytes of a connection
 * is the same (which requests there are, what they say, where each ends), but for what these tables name. Each row is
 * told by the bytes alone, by the first request that it fits: behind that one, ours reads no more, or llhttp does not.
 */

const CONNECTIONS = 150_000
/** Of these, every way to cut them in two, and octet by octet. */
const CUT_CONNECTIONS = 1_000

const readWithLlhttp = llhttpRequestReader()

/** A request taken apart with no regard for whether it is right. */
interface Anatomy {
  /** Empty lines before it. */
  readonly before: string
  /** With the empty line that ends it; the last one may want its end. */
  readonly head: string
  readonly isHeadWhole: boolean
  /** What stands behind the head and belongs to it, its last chunk and trailers included. */
  readonly body: string
  /** Of chunks, without leading zeros. */
  readonly sizes: readonly string[]
  /** What stands behind each size, to the end of its line. */
  readonly extensions: readonly string[]
  readonly trailers: string
}

const CODING = /^transfer-encoding:/i
const LENGTH = /^content-length:/i

/** Values as they stand, blanks and all. */
const valuesIn = (head: string, name: RegExp): string[] =>
  head
    .split('\r\n')
    .slice(1)
    .filter((line) => name.test(line))
    .map((line) => line.slice(line.indexOf(':') + 1))

const chunksIn = (bytes: string): Pick<Anatomy, 'body' | 'sizes' | 'extensions' | 'trailers'> => {
  const sizes: string[] = []
  const extensions: string[] = []
  for (let rest = bytes; rest !== ''; ) {
    const [line, size, extension] = /^0*([0-9a-f]*)([^\r\n]*(?:\r\n|\r$)?)/i.exec(rest) as unknown as [
      string,
      string,
      string,
    ]
    sizes.push(size)
    extensions.push(extension)
    rest = rest.slice(line.length)
    if (size === '') {
      const end = rest.startsWith('\r\n') ? 2 : rest.indexOf('\r\n\r\n') + 4
      const trailers = end === 3 ? rest : rest.slice(0, end)
      return { body: bytes.slice(0, bytes.length - rest.length + trailers.length), sizes, extensions, trailers }
    }
    rest = rest.slice(Number.parseInt(size, 16) + 2)
  }
  return { body: bytes, sizes, extensions, trailers: '' }
}

/** The first request in the bytes. */
const anatomy = (bytes: string): Anatomy => {
  const before = /^(?:\r\n)*/.exec(bytes)?.[0] ?? ''
  const rest = bytes.slice(before.length)
  const end = rest.indexOf('\r\n\r\n') + 4
  const none = { body: '', sizes: [], extensions: [], trailers: '' }
  if (end === 3) return { before, head: rest, isHeadWhole: false, ...none }
  const head = rest.slice(0, end)
  const found = { before, head, isHeadWhole: true, ...none }
  if (valuesIn(head, CODING).length > 0) return { ...found, ...chunksIn(rest.slice(end)) }
  return { ...found, body: rest.slice(end, end + Number(valuesIn(head, LENGTH)[0] ?? 0)) }
}

const TOKEN_CHARACTER = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
const TOKEN = `${TOKEN_CHARACTER}+`
const QUOTED = '"(?:[\\t !#-\\[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*'
/** Extensions and the end of their line, or the beginning of that. */
const EXTENSIONS = RegExp(
  `^(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}"))?)*(?:\\r\\n?|;(?:${TOKEN}=(?:${QUOTED}\\\\?)?)?)?$`,
)

/** What llhttp takes and ours never does. */
const STRICTER: Readonly<Record<string, (request: Anatomy) => boolean>> = {
  // RFC 9112 §2.2 lets a server pass over a CRLF before a request; half of one is none.
  'a line end other than CRLF before the request line': ({ head }) => /^(?:\n|\r[^\n])/.test(head),
  // RFC 9112 §3: HTTP/0.9 has no version.
  'a request line without a version': ({ head, isHeadWhole }) =>
    (isHeadWhole ? /^[^ \r\n]+ +[^ \r\n]+ *\r?\n/ : /^[^ \r\n]+ +[^ \r\n]+ *\n/).test(head),
  // RFC 9112 §2.3: what is of another major version is not sent so.
  'a version other than 1.x': ({ head, isHeadWhole }) => isHeadWhole && / HTTP\/(?:0\.9|2\.0)\r\n/.test(head),
  // RFC 9112 §2.3: llhttp reads RTSP and ICE too, as it is asked for neither.
  'another protocol': ({ head, isHeadWhole }) => isHeadWhole && /^[^\r\n]* (?:RTSP|ICE)\/\d\.\d\r\n/.test(head),
  // RFC 9112 §3: a single space stands between the parts.
  'spaces doubled in the request line': ({ head, isHeadWhole }) =>
    isHeadWhole && /^[^\r\n]*? {2}[^\r\n]*\r\n/.test(head),
  // RFC 9112 §6.1: what a server does not know of it answers with 501, or as here.
  'a transfer coding other than one chunked': ({ head, isHeadWhole }) =>
    isHeadWhole && valuesIn(head, CODING).some((value) => !/^[ \t]*chunked[ \t]*$/i.test(value)),
  // RFC 9112 §6.1: such a message is to be treated as if its framing were faulty.
  'Transfer-Encoding in HTTP/1.0': ({ head, isHeadWhole }) =>
    isHeadWhole && / HTTP\/1\.0\r\n/.test(head) && valuesIn(head, CODING).length > 0,
  // RFC 9110 §8.6 asks recipients to guard against what their numbers cannot hold.
  'a Content-Length beyond 2^53-1': ({ head, isHeadWhole }) =>
    isHeadWhole && valuesIn(head, LENGTH).some((value) => Number(value) > Number.MAX_SAFE_INTEGER),
  // RFC 9112 §7.1: as above, of chunks.
  'a chunk size of more than 12 digits': ({ sizes }) => sizes.some((size) => size.length > 12),
  // RFC 9112 §7.1.1: what stands behind a size is names, each with a value or none.
  'a malformed chunk extension': ({ extensions }) => extensions.some((text) => !EXTENSIONS.test(text)),
}

/** Methods that llhttp knows, and takes of HTTP (RFC 9110 §9 and the registry of §16.1). */
const KNOWN_METHODS =
  /^(?:ACL|BIND|CHECKOUT|CONNECT|COPY|DELETE|GET|HEAD|LINK|LOCK|M-SEARCH|MERGE|MKACTIVITY|MKCALENDAR|MKCOL|MOVE|NOTIFY|OPTIONS|PATCH|POST|PROPFIND|PROPPATCH|PURGE|PUT|QUERY|REBIND|REPORT|SEARCH|SOURCE|SUBSCRIBE|TRACE|UNBIND|UNLINK|UNLOCK|UNSUBSCRIBE) /

/** What ours takes, rightly, and llhttp does not; and the same, said so that llhttp takes it. */
const MORE_LENIENT: Readonly<Record<string, (request: Anatomy) => Partial<Anatomy>>> = {
  // RFC 9110 §9.1: methods are the origin's to know.
  'a method that llhttp does not know': ({ head }) => ({
    head: KNOWN_METHODS.test(head) ? head : head.replace(RegExp(`^${TOKEN_CHARACTER}{1,32} `), 'POST '),
  }),
  // RFC 9110 §9.3.6: to llhttp a tunnel begins behind the head. Ours is refused whole, by a layer that answers it.
  'CONNECT, and whatever follows it': ({ head }) => ({
    head: head.replace(/^CONNECT [!-~]+(?= )/, (line) => `POST /${'x'.repeat(line.length - 9)}`),
  }),
  // RFC 9112 §3.2: ours is refused by a layer, which knows whose request it is.
  'a target in no form that there is': ({ head }) => ({
    head: head.replace(/(?<=^[^ \r\n]+ )(?![/*])[!-~]+(?= )/, (target) => `/${'x'.repeat(target.length - 1)}`),
  }),
  // RFC 9112 §5: blanks around a value are spaces and tabs alike, and no part of it.
  'a tab behind a Content-Length or Transfer-Encoding': ({ head }) => ({
    head: head.replace(
      /(?<=\ncontent-length:[ \t]*\d+ *|\ntransfer-encoding:[ \t]*chunked *)[ \t]+(?=\r\n|\r?$)/gi,
      (blanks) => ' '.repeat(blanks.length),
    ),
  }),
  // RFC 9110 §6.5.1: such a trailer is to be ignored, as `keptTrailers` does; it comes too late to frame anything.
  'a Content-Length or Transfer-Encoding among the trailers': ({ body, trailers }) => ({
    body:
      body.slice(0, body.length - trailers.length) +
      trailers.replace(/(?<=^|\n)(?:c(?=ontent-length:)|t(?=ransfer-encoding:))/gi, 'x'),
  }),
}

/** Of two that are refused, what has been read of the last one is told by neither. */
const isSame = (one: RequestsReading, other: RequestsReading): boolean =>
  one.isRefused && other.isRefused
    ? JSON.stringify(one.requests) === JSON.stringify(other.requests)
    : JSON.stringify(one) === JSON.stringify(other)

/** What may differ on any request: llhttp refuses a head at its first wrong byte, ours sometimes only as it ends. */
const LATER = 'a head, or trailers, refused as they end'

const agree = (reads: readonly string[], ours: RequestsReading, theirs: RequestsReading): boolean =>
  isSame(ours, theirs) ||
  (theirs.isRefused &&
    !ours.isRefused &&
    JSON.stringify(ours.requests) === JSON.stringify(theirs.requests) &&
    readRequestsWithOurs([...reads, '\r\n\r\n']).isRefused)

/** What the tables make of the bytes. */
interface Expectation {
  /** The row of what ours refuses, and how many requests come before it. */
  readonly stricter: { readonly name: string; readonly requests: number } | undefined
  readonly lenient: readonly string[]
  /** The bytes, with what is in the other table said otherwise. */
  readonly mended: string
  /** By how many bytes each request that is whole ends earlier in those. */
  readonly shifts: readonly number[]
}

const expectation = (bytes: string): Expectation => {
  const lenient = new Set<string>()
  const shifts: number[] = []
  let mended = ''
  for (let at = 0; at < bytes.length; ) {
    const request = anatomy(bytes.slice(at))
    const name = Object.keys(STRICTER).find((name) => STRICTER[name]?.(request) === true)
    if (name !== undefined) {
      return {
        stricter: { name, requests: shifts.length },
        lenient: [...lenient],
        mended: mended + bytes.slice(at),
        shifts,
      }
    }
    let said = request
    for (const [name, mend] of Object.entries(MORE_LENIENT)) {
      const before = said
      said = { ...said, ...mend(said) }
      if (said.head !== before.head || said.body !== before.body) lenient.add(name)
    }
    at += request.before.length + request.head.length + request.body.length
    mended += said.before + said.head + said.body
    shifts.push(at - mended.length)
    if (!request.isHeadWhole) break
  }
  return { stricter: undefined, lenient: [...lenient], mended, shifts }
}

/** How both read a connection: what is wrong with that, if anything is, and which row of the tables applies. */
interface Comparison {
  readonly fault: string | undefined
  readonly differences: readonly string[]
  readonly isTakenByLlhttp: boolean
}

const compared = (reads: readonly string[]): Comparison => {
  const bytes = reads.join('')
  const ours = readRequestsWithOurs(reads)
  const theirs = readWithLlhttp([bytes])
  const found = (fault?: string, differences: readonly string[] = []): Comparison => ({
    fault,
    differences,
    isTakenByLlhttp: !theirs.isRefused && theirs.requests.length > 0,
  })
  if (agree(reads, ours, theirs)) return found(undefined, isSame(ours, theirs) ? [] : [LATER])

  const { stricter, lenient, mended, shifts } = expectation(bytes)
  const oursOfMended = readRequestsWithOurs([mended])
  const theirsOfMended = readWithLlhttp([mended])
  const unshifted = oursOfMended.requests.map((request, index) => request.endsAt + (shifts[index] ?? 0))
  if (`${unshifted}` !== `${ours.requests.map(({ endsAt }) => endsAt)}` || ours.isRefused !== oursOfMended.isRefused) {
    return found(`ours frames ${lenient} otherwise than what means the same`)
  }
  // What both refuse before it is not told from what they would have taken.
  if (stricter === undefined || theirsOfMended.requests.length < stricter.requests) {
    if (lenient.length === 0) return found('they differ')
    if (!agree([mended], oursOfMended, theirsOfMended)) return found(`they differ, and not only by ${lenient}`)
    return found(undefined, lenient)
  }
  const { name, requests } = stricter
  if (!ours.isRefused || ours.requests.length !== requests) return found(`ours took ${name}`)
  const before = JSON.stringify(oursOfMended.requests)
  if (JSON.stringify(theirsOfMended.requests.slice(0, requests)) !== before) return found(`they differ before ${name}`)
  return found(undefined, isSame(oursOfMended, theirsOfMended) ? lenient : [name])
}

/** The smallest piece of the bytes that has the same fault. */
const shrunk = (reads: readonly string[], fault: string): readonly string[] => {
  let bytes = reads.join('')
  if (compared([bytes]).fault !== fault) return reads
  for (let size = bytes.length; size >= 1; size >>= 1) {
    for (let at = 0; at < bytes.length; ) {
      const shorter = bytes.slice(0, at) + bytes.slice(at + size)
      if (compared([shorter]).fault === fault) bytes = shorter
      else at += size
    }
  }
  return [bytes]
}

const anySeed = (): number => Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

it(`on ${CONNECTIONS} connections, right and wrong, all requests are read as llhttp reads them, but for what is named above`, () => {
  const seed = anySeed()
  const seen = new Map<string, number>()
  let taken = 0
  let pipelined = 0
  for (let count = 0; count < CONNECTIONS; count++) {
    const dice = new Dice(seed + count)
    const bytes = generatedRequests(dice)
    const reads = generatedReads(dice, bytes)
    const { fault, differences, isTakenByLlhttp } = compared(reads)
    if (fault !== undefined) {
      const smallest = shrunk(reads, fault)
      expect.fail(
        `SEED=${seed}: ${fault} (as in ${JSON.stringify(smallest)}): ours ${JSON.stringify(readRequestsWithOurs(smallest))}, llhttp ${JSON.stringify(readWithLlhttp(smallest))}`,
      )
    }
    if (isTakenByLlhttp) taken++
    if (readRequestsWithOurs([bytes]).requests.length > 1) pipelined++
    for (const name of differences) seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  const names = [...Object.keys(STRICTER), ...Object.keys(MORE_LENIENT), LATER]
  expect([...seen.keys()].sort(), 'each difference is seen').toEqual(names.sort())
  expect(taken / CONNECTIONS, 'about as often right as wrong').toBeGreaterThan(0.4)
  expect(taken / CONNECTIONS).toBeLessThan(0.8)
  expect(pipelined / CONNECTIONS, 'often more than one on a connection').toBeGreaterThan(0.25)
})

it(`of ${CUT_CONNECTIONS} connections, each reads the same however its bytes are cut into reads`, () => {
  const seed = anySeed()
  for (let count = 0, tried = 0; tried < CUT_CONNECTIONS; count++) {
    const bytes = generatedRequests(new Dice(seed + count))
    if (bytes.length > 400) continue
    tried++
    const whole = JSON.stringify(readRequestsWithOurs([bytes]))
    const expectSame = (reads: readonly string[]): void => {
      if (JSON.stringify(readRequestsWithOurs(reads)) === whole) return
      expect.fail(`SEED=${seed}: ${JSON.stringify(reads)} reads otherwise than in one, which is ${whole}`)
    }
    for (let at = 1; at < bytes.length; at++) expectSame([bytes.slice(0, at), bytes.slice(at)])
    expectSame([...bytes])
  }
})
