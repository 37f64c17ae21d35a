/** A message that RFC 9112 forbids, or that is larger than it may be. What it says is for the log. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
}

/** A head, or a trailer section, beyond its limit. */
export class SectionTooLarge extends MalformedMessage {
  /** Whether its first line alone is. */
  readonly isWithinFirstLine: boolean

  constructor(isWithinFirstLine: boolean) {
    super('a header or trailer section larger than allowed')
    this.isWithinFirstLine = isWithinFirstLine
  }
}
