import { CR, HEX_VALUE, IS_TOKEN, IS_VALUE, LF } from './characters.ts'
import { hasStrayLineEnd, parseFields } from './fields.ts'
import { MalformedMessage, SectionTooLarge } from './malformed.ts'

/** Takes a body as it is decoded. */
export interface BodySink {
  /** @param bytes valid during the call only: they lie in memory that the next read overwrites */
  onBody(bytes: Buffer): void
}

/** Of a chunk's size with its extensions, which nobody uses; more is an attempt to fill memory. */
const CHUNK_LINE_LIMIT_BYTES = 4_096
/** 2^48: beyond any body, and its sums stay exact. */
const CHUNK_SIZE_DIGITS = 12

const ZERO = 0x30
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Where the decoder stands, between two octets (RFC 9112 §7.1):
 *
 *     size ─┬─CR─▶ size-lf ─┬─size > 0─▶ data ─▶ data-cr ─▶ data-lf ─▶ first-digit
 *           └─;──▶ ext-… ─CR─▶ size-lf
 *                           └─size = 0─▶ trailers ─▶ done
 */
type State =
  | 'first-digit'
  | 'size'
  | 'ext-name-start'
  | 'ext-name'
  | 'ext-value-start'
  | 'ext-token'
  | 'ext-quoted'
  | 'ext-quoted-pair'
  | 'ext-quoted-end'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailers'
  | 'done'

/** What most bodies have. */
export const NO_TRAILERS: readonly string[] = Object.freeze([])

/** Takes the chunked coding off a body, in whatever pieces it comes. One decoder serves many bodies, in turn. */
export class ChunkedDecoder {
  readonly #sink: BodySink
  readonly #trailerLimitBytes: number
  #state: State = 'done'
  #remaining = 0
  #digits = 0
  #lineBytes = 0
  #partialTrailers = ''
  #trailers = NO_TRAILERS

  constructor(sink: BodySink, trailerLimitBytes: number) {
    this.#sink = sink
    this.#trailerLimitBytes = trailerLimitBytes
  }

  get isDone(): boolean {
    return this.#state === 'done'
  }

  /** Names and values in turn, once the body is done. */
  get trailers(): readonly string[] {
    return this.#trailers
  }

  begin(): void {
    this.#state = 'first-digit'
    this.#partialTrailers = ''
    this.#trailers = NO_TRAILERS
  }

  /**
   * Decodes `bytes` from `start` to `end`.
   *
   * @returns where it stopped: at `end`, or behind the last octet of the body
   * @throws MalformedMessage
   */
  decode(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      if (this.#state === 'data') {
        const pieceEnd = Math.min(end, at + this.#remaining)
        this.#remaining -= pieceEnd - at
        if (this.#remaining === 0) this.#state = 'data-cr'
        this.#sink.onBody(bytes.subarray(at, pieceEnd))
        at = pieceEnd
      } else if (this.#state === 'trailers') return this.#readTrailers(bytes, at, end)
      else if (this.#state === 'done') return at
      else this.#step(bytes[at++] as number)
    }
    return at
  }

  #step(octet: number): void {
    switch (this.#state) {
      case 'first-digit':
        this.#remaining = 0
        this.#digits = 0
        this.#lineBytes = 0
        if (HEX_VALUE[octet] === 255) throw new MalformedMessage('a chunk without a size')
        this.#addDigit(octet)
        return
      case 'size':
        if (HEX_VALUE[octet] !== 255) this.#addDigit(octet)
        else this.#afterSize(octet)
        return
      case 'size-lf':
        this.#expect(octet, LF)
        this.#state = this.#remaining === 0 ? 'trailers' : 'data'
        return
      case 'data-cr':
        this.#expect(octet, CR)
        this.#state = 'data-lf'
        return
      case 'data-lf':
        this.#expect(octet, LF)
        this.#state = 'first-digit'
        return
      default:
        if (++this.#lineBytes > CHUNK_LINE_LIMIT_BYTES) throw new MalformedMessage('chunk extensions without end')
        this.#stepExtension(octet)
    }
  }

  #addDigit(octet: number): void {
    const isLeadingZero = this.#remaining === 0 && octet === ZERO
    if (!isLeadingZero && ++this.#digits > CHUNK_SIZE_DIGITS) throw new MalformedMessage('a chunk larger than any body')
    if (++this.#lineBytes > CHUNK_LINE_LIMIT_BYTES) throw new MalformedMessage('a chunk size without end')
    this.#remaining = this.#remaining * 16 + (HEX_VALUE[octet] as number)
    this.#state = 'size'
  }

  #afterSize(octet: number): void {
    if (octet === CR) this.#state = 'size-lf'
    else if (octet === SEMICOLON) this.#state = 'ext-name-start'
    else throw new MalformedMessage('a chunk size that is no number')
  }

  /** `;name`, `;name=token` or `;name="quoted"`, as often as one likes; what they say is dropped. */
  #stepExtension(octet: number): void {
    switch (this.#state) {
      case 'ext-name-start':
      case 'ext-value-start':
        if (this.#state === 'ext-value-start' && octet === QUOTE) this.#state = 'ext-quoted'
        else if (IS_TOKEN[octet] !== 1) break
        else this.#state = this.#state === 'ext-name-start' ? 'ext-name' : 'ext-token'
        return
      case 'ext-name':
        if (IS_TOKEN[octet] === 1) return
        if (octet === EQUALS) this.#state = 'ext-value-start'
        else this.#afterSize(octet)
        return
      case 'ext-token':
        if (IS_TOKEN[octet] !== 1) this.#afterSize(octet)
        return
      case 'ext-quoted':
        if (octet === QUOTE) this.#state = 'ext-quoted-end'
        else if (octet === BACKSLASH) this.#state = 'ext-quoted-pair'
        else if (IS_VALUE[octet] !== 1) break
        return
      case 'ext-quoted-pair':
        if (IS_VALUE[octet] !== 1) break
        this.#state = 'ext-quoted'
        return
      default: // ext-quoted-end
        this.#afterSize(octet)
        return
    }
    throw new MalformedMessage('a malformed chunk extension')
  }

  #expect(octet: number, expected: number): void {
    if (octet !== expected) throw new MalformedMessage('a chunk that does not end where it should')
  }

  /** The trailer section ends with an empty line, which may be its only one. */
  #readTrailers(bytes: Buffer, start: number, end: number): number {
    const before = this.#partialTrailers.length
    // Never much more than the limit into memory, however much came with one read.
    const readable = Math.min(end, start + this.#trailerLimitBytes + 5 - before)
    const text = this.#partialTrailers + bytes.toString('latin1', start, readable)
    const sectionEnd = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n', Math.max(0, before - 3))
    if (sectionEnd === -1) {
      if (hasStrayLineEnd(text)) throw new MalformedMessage('a trailer section with a stray line end')
      if (text.length - 4 > this.#trailerLimitBytes) throw new SectionTooLarge(false)
      this.#partialTrailers = text
      return end
    }
    if (sectionEnd > this.#trailerLimitBytes) throw new SectionTooLarge(false)
    this.#state = 'done'
    const linesEnd = sectionEnd === 0 ? 0 : sectionEnd + 2
    if (linesEnd > 0) this.#trailers = parseFields(text, 0, linesEnd)
    return start + linesEnd + 2 - before
  }
}
