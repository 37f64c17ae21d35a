import { z } from 'zod'

/** What is told apart in a report; what is more is counted in the sums alone. */
const ROWS_LIMIT = 200

/** `null` for requests that no route matches. */
type RouteName = string | null

export interface ShadowRefusal {
  readonly route: RouteName
  readonly refusal: string
}

export interface ShadowChange {
  readonly route: RouteName
  /** The name of a header that would have been another, or there, or not. */
  readonly header: string
}

export interface ShadowRoute {
  readonly from: RouteName
  readonly to: RouteName
}

const count = z.int().min(0)
const tally = z.object({ sum: count, rows: z.array(z.tuple([z.string(), count])).max(ROWS_LIMIT) })
type Tally = z.output<typeof tally>

const rawReport = z.object({
  requests: count,
  refused: tally,
  admitted: tally,
  changed: tally,
  rerouted: tally,
  failed: count,
})

/** A report as instances tell it to one another. */
export type RawShadowReport = z.output<typeof rawReport>

/** Sums by what they are of, in bounded memory. */
class Tallies<Row> {
  #sum = 0
  readonly #rows = new Map<string, number>()

  add(row: Row): void {
    this.#sum++
    this.addRow(JSON.stringify(row), 1)
  }

  addAll({ sum, rows }: Tally): void {
    this.#sum += sum
    for (const [row, count] of rows) this.addRow(row, count)
  }

  addRow(row: string, count: number): void {
    const known = this.#rows.get(row)
    if (known !== undefined || this.#rows.size < ROWS_LIMIT) this.#rows.set(row, (known ?? 0) + count)
  }

  /** One more of something that may be in several rows. */
  addToSum(): void {
    this.#sum++
  }

  raw(): Tally {
    return { sum: this.#sum, rows: [...this.#rows] }
  }

  /** Most first. */
  rows(): readonly (Row & { readonly count: number })[] {
    return [...this.#rows]
      .toSorted(([, some], [, others]) => others - some)
      .map(([row, count]) => ({ ...(JSON.parse(row) as Row), count }))
  }

  get sum(): number {
    return this.#sum
  }
}

/** What a candidate would have done otherwise, counted. */
export class ShadowReport {
  #requests = 0
  #failed = 0
  readonly #refused = new Tallies<ShadowRefusal>()
  readonly #admitted = new Tallies<ShadowRefusal>()
  readonly #changed = new Tallies<ShadowChange>()
  readonly #rerouted = new Tallies<ShadowRoute>()

  request(): void {
    this.#requests++
  }

  wouldRefuse(refused: ShadowRefusal): void {
    this.#refused.add(refused)
  }

  wouldAdmit(admitted: ShadowRefusal): void {
    this.#admitted.add(admitted)
  }

  /** One reply, of which these headers would have been others. */
  wouldChange(route: RouteName, headers: readonly string[]): void {
    this.#changed.addToSum()
    for (const header of headers) this.#changed.addRow(JSON.stringify({ route, header } satisfies ShadowChange), 1)
  }

  rerouted(route: ShadowRoute): void {
    this.#rerouted.add(route)
  }

  /** The candidate itself has failed at a request. @returns whether for the first time */
  failed(): boolean {
    return ++this.#failed === 1
  }

  raw(): RawShadowReport {
    return {
      requests: this.#requests,
      refused: this.#refused.raw(),
      admitted: this.#admitted.raw(),
      changed: this.#changed.raw(),
      rerouted: this.#rerouted.raw(),
      failed: this.#failed,
    }
  }

  /** Another's, as it was told. @returns whether it could be read */
  addText(text: string): boolean {
    try {
      this.add(rawReport.parse(JSON.parse(text)))
      return true
    } catch {
      return false // of another release, or of nobody: the reader is told
    }
  }

  add(other: RawShadowReport): void {
    this.#requests += other.requests
    this.#failed += other.failed
    this.#refused.addAll(other.refused)
    this.#admitted.addAll(other.admitted)
    this.#changed.addAll(other.changed)
    this.#rerouted.addAll(other.rerouted)
  }

  /** As operators read it. */
  told() {
    return {
      requests: this.#requests,
      sums: {
        wouldRefuse: this.#refused.sum,
        wouldAdmit: this.#admitted.sum,
        wouldChange: this.#changed.sum,
        rerouted: this.#rerouted.sum,
        failed: this.#failed,
      },
      wouldRefuse: this.#refused.rows(),
      wouldAdmit: this.#admitted.rows(),
      wouldChange: this.#changed.rows(),
      rerouted: this.#rerouted.rows(),
    }
  }
}
