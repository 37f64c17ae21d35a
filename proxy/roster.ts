/** Something that can be on one roster, and knows its place there. */
export interface Listed {
  /** Written by the roster alone; -1 off it. */
  place: number
}

/**
 * What there is at the moment, in no order; added to and taken from at the same small cost however many there are.
 *
 * Not a set: one that is added to and taken from is laid out anew every so often, and what it leaves behind keeps later
 * members alive (docs/decisions/0002-memory-under-load.md).
 */
export class Roster<Member extends Listed> {
  readonly #members: Member[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: Member): void {
    member.place = this.#members.push(member) - 1
  }

  /** One that is not on it is no error. */
  delete(member: Member): void {
    const { place } = member
    if (place === -1) return
    member.place = -1
    const last = this.#members.pop() as Member
    if (last === member) return
    this.#members[place] = last
    last.place = place
  }

  /** Members may be taken off meanwhile: all that are on it now and stay so are come to. */
  *[Symbol.iterator](): Generator<Member, void> {
    // From the end: into the place of one that is taken off comes the last, which has been come to.
    for (let at = this.#members.length - 1; at >= 0; at--) {
      const member = this.#members[at]
      if (member !== undefined) yield member
    }
  }
}
