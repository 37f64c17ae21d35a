import { SectionTooLarge } from './malformed.ts'

const HEAD_END = Buffer.from('\r\n\r\n')

/** Puts a message's head together from the pieces in which it comes: mostly one. */
export class HeadBuffer {
  readonly #limitBytes: number
  #partial = ''
  #end = 0
  #octets: Buffer | undefined
  #octetsStart = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /** What has come of a head that is not whole. */
  get partial(): string {
    return this.#partial
  }

  /** Where, in the bytes last given, the head ended; their length where it did not. */
  get end(): number {
    return this.#end
  }

  /** What the head last taken was read from, where it came in one piece: valid until the next read. */
  get octets(): Buffer | undefined {
    return this.#octets
  }

  /** Where in `octets` it begins. */
  get octetsStart(): number {
    return this.#octetsStart
  }

  /**
   * @returns the head with the empty line that ends it, as latin1, once it is whole
   * @throws SectionTooLarge
   */
  take(bytes: Buffer, start: number): string | undefined {
    const before = this.#partial.length
    if (before === 0) {
      const at = bytes.indexOf(HEAD_END, start)
      if (at !== -1) {
        const text = bytes.toString('latin1', start, at + 4)
        this.#hold(text.length - 4, text)
        this.#end = at + 4
        this.#octets = bytes
        this.#octetsStart = start
        return text
      }
    }
    // Never much more than the limit into memory, however much came with one read.
    const text = this.#partial + bytes.toString('latin1', start, start + this.#limitBytes + 5 - before)
    const at = text.indexOf('\r\n\r\n', Math.max(0, before - 3))
    this.#hold(at === -1 ? text.length - 4 : at, text)
    if (at === -1) {
      this.#partial = text
      this.#end = bytes.length
      return undefined
    }
    this.#partial = ''
    this.#octets = undefined
    this.#octetsStart = 0
    this.#end = start + at + 4 - before
    return text.slice(0, at + 4)
  }

  #hold(headBytes: number, text: string): void {
    if (headBytes <= this.#limitBytes) return
    const lineEnd = text.indexOf('\r\n')
    throw new SectionTooLarge(lineEnd === -1 || lineEnd > this.#limitBytes)
  }
}
