import type { KeptHead, KeptReply } from './kept-reply.ts'

/** A reply on its way to the client, as it is to be kept. */
export class Capture {
  readonly #head: KeptHead
  readonly #limitBytes: number
  readonly #underWay: { bytes: number }
  readonly #underWayLimit: number
  #pieces: Buffer[] | undefined = []
  #bytes = 0

  /**
   * @param limitBytes of the body; above it the reply is not wanted any more
   * @param underWay what all captures hold; above its limit, this one gives way
   */
  constructor(head: KeptHead, limitBytes: number, underWay: { bytes: number }, underWayLimit: number) {
    this.#head = head
    this.#limitBytes = limitBytes
    this.#underWay = underWay
    this.#underWayLimit = underWayLimit
  }

  /** @param bytes good for this call alone */
  add(bytes: Buffer): void {
    if (this.#pieces === undefined) return
    if (this.#bytes + bytes.length > this.#limitBytes || this.#underWay.bytes + bytes.length > this.#underWayLimit) {
      this.release()
      return
    }
    this.#bytes += bytes.length
    this.#underWay.bytes += bytes.length
    this.#pieces.push(Buffer.from(bytes))
  }

  /** Once all of it has come; undefined where it was too large. */
  reply(): KeptReply | undefined {
    if (this.#pieces === undefined) return undefined
    const body = Buffer.allocUnsafeSlow(this.#bytes) // a part of a shared piece would keep all of that alive
    let at = 0
    for (const piece of this.#pieces) at += piece.copy(body, at)
    return { ...this.#head, body }
  }

  /** It is over, however it ended. Again, it does nothing. */
  release(): void {
    if (this.#pieces === undefined) return
    this.#pieces = undefined
    this.#underWay.bytes -= this.#bytes
  }
}
