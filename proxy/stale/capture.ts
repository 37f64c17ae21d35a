import type { KeptHead, KeptReply } from './kept-reply.ts'

/** A reply on its way to the client, as it is to be kept. */
export class Capture {
  readonly #head: KeptHead
  readonly #limitBytes: number
  #pieces: Buffer[] | undefined = []
  #bytes = 0

  /** @param limitBytes of the body; above it the reply is not wanted any more */
  constructor(head: KeptHead, limitBytes: number) {
    this.#head = head
    this.#limitBytes = limitBytes
  }

  /** @param bytes good for this call alone */
  add(bytes: Buffer): void {
    if (this.#pieces === undefined) return
    this.#bytes += bytes.length
    if (this.#bytes > this.#limitBytes) this.#pieces = undefined
    else this.#pieces.push(Buffer.from(bytes))
  }

  /** Once all of it has come; undefined where it was too large. */
  reply(): KeptReply | undefined {
    if (this.#pieces === undefined) return undefined
    const body = Buffer.allocUnsafeSlow(this.#bytes) // a part of a shared piece would keep all of that alive
    let at = 0
    for (const piece of this.#pieces) at += piece.copy(body, at)
    return { ...this.#head, body }
  }
}
