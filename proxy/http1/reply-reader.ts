import { BodyReader } from './body-reader.ts'
import { CR, IS_VALUE, LF, SPACE } from './characters.ts'
import type { BodySink } from './chunked-decoder.ts'
import { hasStrayLineEnd, parseFields } from './fields.ts'
import { framing } from './framing.ts'
import { HeadBuffer } from './head-buffer.ts'
import { MalformedMessage } from './malformed.ts'

/** The head of a reply as it came. */
export interface ReplyStart {
  readonly status: number
  /** The reason phrase, which may be empty. */
  readonly statusText: string
  readonly httpVersionMinor: number
  /** Names and values in turn. */
  readonly rawHeaders: string[]
}

/** Takes replies as they are read. */
export interface ReplySink extends BodySink {
  /** Of `1xx` any number may come before the reply itself; 101 is the last of what is HTTP. */
  onHead(head: ReplyStart): void
}

type State = 'head' | 'body' | 'switched'

/**
 * Reads the replies of one connection, one after the other, in whatever pieces they come (RFC 9112 §4 to §8). What
 * the RFC forbids is refused, not mended.
 */
export class ReplyReader {
  readonly #sink: ReplySink
  readonly #head: HeadBuffer
  readonly #body: BodyReader
  #state: State = 'body'
  #method = ''

  constructor(sink: ReplySink, headLimitBytes: number) {
    this.#sink = sink
    this.#head = new HeadBuffer(headLimitBytes)
    this.#body = new BodyReader(sink, headLimitBytes)
  }

  /** Whether the reply has come whole, or none is due. */
  get isDone(): boolean {
    return this.#state === 'body' && this.#body.isDone
  }

  /** Whether what follows on the connection is no HTTP any more. */
  get hasSwitched(): boolean {
    return this.#state === 'switched'
  }

  /** Of the reply that is done: names and values in turn. */
  get trailers(): readonly string[] {
    return this.#body.trailers
  }

  /** From now on a reply to a request of this method is due. */
  begin(method: string): void {
    this.#method = method
    this.#state = 'head'
  }

  /**
   * Reads what has come.
   *
   * @returns how many bytes belonged to the reply: fewer where it is done, or has switched protocols
   * @throws MalformedMessage
   */
  read(bytes: Buffer): number {
    let at = 0
    while (at < bytes.length && !this.isDone && this.#state !== 'switched') {
      at = this.#state === 'head' ? this.#readHead(bytes, at) : this.#body.read(bytes, at)
    }
    return at
  }

  /** The connection has ended in order, and with it a body that says its end in no other way. */
  close(): void {
    if (this.#state === 'body') this.#body.close()
  }

  #readHead(bytes: Buffer, start: number): number {
    const text = this.#head.take(bytes, start)
    if (text !== undefined) this.#takeHead(text)
    else if (!mayBecomeReply(this.#head.partial)) throw new MalformedMessage('what is no HTTP/1.1 reply')
    return this.#head.end
  }

  #takeHead(text: string): void {
    const head = parseReplyStart(text, this.#head.octets, this.#head.octetsStart)
    const { status } = head
    const framed = framing(head.rawHeaders, head.httpVersionMinor)
    if (status === 101) this.#state = 'switched'
    else if (status >= 200) {
      this.#state = 'body'
      if (this.#method === 'HEAD' || status === 204 || status === 304) this.#body.beginNone()
      else if (framed.isChunked || framed.length !== undefined) this.#body.begin(framed)
      else this.#body.beginUntilClose()
    }
    this.#sink.onHead(head)
  }
}

const STATUS_LINE_LENGTH = 'HTTP/1.1 200'.length

/** @throws MalformedMessage */
const parseReplyStart = (text: string, octets: Buffer | undefined, offset: number): ReplyStart => {
  const minor = text.charCodeAt(7) - 48
  if (!text.startsWith('HTTP/1.') || (minor !== 0 && minor !== 1) || text.charCodeAt(8) !== SPACE) {
    throw new MalformedMessage('what is no HTTP/1.1 reply')
  }
  const status = statusCode(text)
  if (status < 100) throw new MalformedMessage('a status that is no number from 100 to 999')
  let at = STATUS_LINE_LENGTH
  let statusText = ''
  // The blank behind the status stands even before an empty reason (RFC 9112 §4); many leave it out.
  if (text.charCodeAt(at) === SPACE) {
    const reasonStart = ++at
    while (IS_VALUE[text.charCodeAt(at)] === 1) at++
    statusText = text.slice(reasonStart, at)
  }
  if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) {
    throw new MalformedMessage('a status line with a control character')
  }
  const rawHeaders = parseFields(text, at + 2, text.length - 2, octets, offset)
  return { status, statusText, httpVersionMinor: minor, rawHeaders }
}

const statusCode = (text: string): number => {
  let status = 0
  for (let at = 9; at < STATUS_LINE_LENGTH; at++) {
    const digit = text.charCodeAt(at) - 48
    if (!(digit >= 0 && digit <= 9)) return -1
    status = status * 10 + digit
  }
  return status
}

/** Whether the beginning of a reply is one so far: a peer that speaks another protocol is not waited for. */
const mayBecomeReply = (partial: string): boolean => {
  const expected = 'HTTP/1.'
  return expected.startsWith(partial.slice(0, expected.length)) && !hasStrayLineEnd(partial)
}
