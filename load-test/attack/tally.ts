/** What became of the requests of one side, in one stretch of time. */
export interface Tally {
  readonly sent: number
  /** Answered by the app. */
  readonly admitted: number
  /** By status; 0 for no answer at all. */
  readonly refused: Readonly<Record<number, number>>
}

/** Counts replies until they are asked for, and begins again. */
export class Tallying {
  #sent = 0
  #admitted = 0
  #refused: Record<number, number> = {}

  count(status: number): void {
    this.#sent++
    if (status >= 200 && status < 400) this.#admitted++
    else this.#refused[status] = (this.#refused[status] ?? 0) + 1
  }

  take(): Tally {
    const taken = { sent: this.#sent, admitted: this.#admitted, refused: this.#refused }
    this.#sent = 0
    this.#admitted = 0
    this.#refused = {}
    return taken
  }
}

export const added = (tallies: readonly Tally[]): Tally => {
  const refused: Record<number, number> = {}
  for (const tally of tallies) {
    for (const [status, count] of Object.entries(tally.refused)) {
      refused[Number(status)] = (refused[Number(status)] ?? 0) + count
    }
  }
  const sum = (of: 'sent' | 'admitted') => tallies.reduce((total, tally) => total + tally[of], 0)
  return { sent: sum('sent'), admitted: sum('admitted'), refused }
}
