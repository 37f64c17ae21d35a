import { type Listed, Roster } from './roster.ts'

/** What must be over by a time. */
interface Limited extends Listed {
  /** Monotonic; does not change while it is listed. */
  readonly deadlineAtMs: number
}

/** No two looks are closer than this: so much later than its time a deadline may be noticed. */
const LOOK_GAP_MS = 10
/** More than a timer takes. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * Deadlines of their own length each, by one timer, which is set for the earliest of them: most that are listed are over
 * long before, and cost no timer at all. None is noticed early, and what has come in time is read before any is.
 */
export class DeadlineList<Member extends Limited> {
  readonly #onLate: (member: Member) => void
  readonly #members = new Roster<Member>()
  #timer: NodeJS.Timeout | undefined
  #lookAtMs = Number.POSITIVE_INFINITY

  /** @param onLate is told of each whose time has come, which is no longer listed then */
  constructor(onLate: (member: Member) => void) {
    this.#onLate = onLate
  }

  add(member: Member): void {
    this.#members.add(member)
    if (member.deadlineAtMs < this.#lookAtMs) this.#set(member.deadlineAtMs, performance.now())
  }

  /** One that is not listed is no error. */
  delete(member: Member): void {
    this.#members.delete(member)
  }

  #set(earliestMs: number, nowMs: number): void {
    clearTimeout(this.#timer)
    const inMs = Math.min(LONGEST_MS, Math.max(LOOK_GAP_MS, Math.ceil(earliestMs - nowMs)))
    this.#lookAtMs = nowMs + inMs
    // Timers come before what has been received: only after that is it known what is late.
    this.#timer = setTimeout(() => setImmediate(this.#look), inMs)
    this.#timer.unref()
  }

  readonly #look = (): void => {
    const nowMs = performance.now()
    this.#lookAtMs = Number.POSITIVE_INFINITY
    let earliestMs = Number.POSITIVE_INFINITY
    for (const member of this.#members) {
      if (member.deadlineAtMs <= nowMs) {
        this.#members.delete(member)
        this.#onLate(member)
      } else earliestMs = Math.min(earliestMs, member.deadlineAtMs)
    }
    // Whoever was added meanwhile has set the timer, and possibly for later.
    if (earliestMs < this.#lookAtMs) this.#set(earliestMs, nowMs)
  }
}
