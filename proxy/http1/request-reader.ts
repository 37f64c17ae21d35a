import { BodyReader } from './body-reader.ts'
import { IS_TARGET, IS_TOKEN, SPACE } from './characters.ts'
import type { BodySink } from './chunked-decoder.ts'
import { hasStrayLineEnd, parseFields } from './fields.ts'
import { type Framing, framing } from './framing.ts'
import { HeadBuffer } from './head-buffer.ts'
import { MalformedMessage } from './malformed.ts'

/** The head of a request as it came. */
export interface RequestStart {
  readonly method: string
  /** As it stands in the request line. */
  readonly target: string
  readonly httpVersionMinor: number
  /** Names and values in turn. */
  readonly rawHeaders: string[]
  /** How its body ends, or why that cannot be told. */
  readonly framing: Framing | MalformedMessage
}

/** Longer than any method that is registered (RFC 9110 §16.1). */
const METHOD_LIMIT = 32

/** Reads the requests of one connection, one after the other, in whatever pieces they come (RFC 9112 §3, §5 to §7). */
export class RequestReader {
  readonly #head: HeadBuffer
  readonly #body: BodyReader

  constructor(sink: BodySink, headLimitBytes: number) {
    this.#head = new HeadBuffer(headLimitBytes)
    this.#body = new BodyReader(sink, headLimitBytes)
  }

  /** Whether a part of a head has come, and not the rest. */
  get isWithinHead(): boolean {
    return /[^\r\n]/.test(this.#head.partial) // empty lines in front of it are none
  }

  /** Whether the body of the request last begun has come whole. */
  get isBodyDone(): boolean {
    return this.#body.isDone
  }

  get trailers(): readonly string[] {
    return this.#body.trailers
  }

  /** Where, in the bytes last given to `readHead`, the head ended. */
  get headEnd(): number {
    return this.#head.end
  }

  /**
   * @returns the head once it is whole; `readBody` comes next, or, where the body is done, the next head
   * @throws MalformedMessage or SectionTooLarge: nothing that follows on the connection can be read
   */
  readHead(bytes: Buffer, start: number): RequestStart | undefined {
    const text = this.#head.take(bytes, start)
    if (text === undefined) {
      if (!mayBecomeRequest(this.#head.partial)) throw new MalformedMessage('what is no HTTP/1.1 request')
      return undefined
    }
    // Empty lines before a request are passed over (RFC 9112 §2.2): some clients end their bodies with one.
    let at = 0
    while (text.startsWith('\r\n', at)) at += 2
    if (at === text.length) return undefined
    const request = parseRequestStart(text, at, this.#head.octets, this.#head.octetsStart)
    if (request.framing instanceof MalformedMessage) this.#body.beginNone()
    else this.#body.begin(request.framing)
    return request
  }

  /**
   * @returns where in `bytes` it stopped: at their end, or behind the body
   * @throws MalformedMessage
   */
  readBody(bytes: Buffer, start: number): number {
    return this.#body.read(bytes, start)
  }
}

const VERSION = ' HTTP/1.'

/** @throws MalformedMessage */
const parseRequestStart = (text: string, start: number, octets: Buffer | undefined, offset: number): RequestStart => {
  let at = start
  while (IS_TOKEN[text.charCodeAt(at)] === 1) at++
  if (at === start || at - start > METHOD_LIMIT || text.charCodeAt(at) !== SPACE) {
    throw new MalformedMessage('a request line without a method')
  }
  const method = text.slice(start, at)
  const targetStart = ++at
  while (IS_TARGET[text.charCodeAt(at)] === 1) at++
  if (at === targetStart) throw new MalformedMessage('a request line without a target')
  const target = text.slice(targetStart, at)
  const minor = text.charCodeAt(at + VERSION.length) - 48
  const fieldsStart = at + VERSION.length + 3
  if (!text.startsWith(VERSION, at) || (minor !== 0 && minor !== 1) || !text.startsWith('\r\n', fieldsStart - 2)) {
    throw new MalformedMessage('a request line that does not end in HTTP/1.1')
  }
  const rawHeaders = parseFields(text, fieldsStart, text.length - 2, octets, offset)
  return { method, target, httpVersionMinor: minor, rawHeaders, framing: framingOrFault(rawHeaders, minor) }
}

/** What is wrong with it is for the layers to refuse, which know whose request it is. */
const framingOrFault = (rawHeaders: readonly string[], minor: number): Framing | MalformedMessage => {
  try {
    return framing(rawHeaders, minor)
  } catch (error) {
    if (error instanceof MalformedMessage) return error
    throw error
  }
}

/** Whether the beginning of a request is one so far: what speaks another protocol is not waited for. */
const mayBecomeRequest = (partial: string): boolean =>
  /^(?:\r\n)*(?:\r?$|[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}(?: |$))/.test(partial) && !hasStrayLineEnd(partial)
