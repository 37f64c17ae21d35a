/** Whatever fits in here is copied when it is passed on, which for as little costs less than memory of its own. */
const SHARED_BYTES = 16_384
const OWN_BYTES = 65_536
/** Buffers that rest here for the next large body. */
const SPARE_LIMIT = 32

/** One for all connections: what is read is used up before the next read. */
const shared = Buffer.allocUnsafeSlow(SHARED_BYTES)
const spare: Buffer[] = []

/**
 * Where a connection reads into: mostly the buffer that all share, and, while a large body comes, one of its own, whose
 * bytes stay as they are until the connection is read again. So a large body is never copied, and leaves no garbage.
 */
export class ReadBuffer {
  #own: Buffer | undefined

  /** Whether these bytes, just read, stay as they are until the next read. */
  isStable(bytes: Buffer): boolean {
    return bytes.buffer !== shared.buffer
  }

  /** After each read: a body that fills the shared buffer is large, and has one of its own from the next read on. */
  noteRead(bytes: Buffer): void {
    if (bytes.length === SHARED_BYTES) this.#own ??= spare.pop() ?? Buffer.allocUnsafeSlow(OWN_BYTES)
  }

  /** The body has come whole. @param isUsedUp whether nobody reads what was last read any more */
  leaveOwn(isUsedUp: boolean): void {
    if (isUsedUp && this.#own !== undefined && spare.length < SPARE_LIMIT) spare.push(this.#own)
    this.#own = undefined
  }

  /** Asked by the socket at first and after each read: what to read into next. */
  readonly next = (): Buffer => this.#own ?? shared
}
