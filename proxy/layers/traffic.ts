import type { Layer } from '../layer.ts'
import type { Outcome } from '../outcome.ts'

const HIGHEST_STATUS = 599

/**
 * Exchanges by how they ended and by status: plain arrays, since a label lookup in a metrics library costs more than
 * the rest of this layer (DESIGN §12); the metrics endpoint reads them when it is scraped.
 */
export class TrafficCounts {
  readonly #counts: Record<Outcome['kind'], Uint32Array> = {
    replied: new Uint32Array(HIGHEST_STATUS + 1),
    answered: new Uint32Array(HIGHEST_STATUS + 1),
    refused: new Uint32Array(HIGHEST_STATUS + 1),
    stale: new Uint32Array(HIGHEST_STATUS + 1),
    cut: new Uint32Array(HIGHEST_STATUS + 1),
    'client-abort': new Uint32Array(HIGHEST_STATUS + 1),
  }

  count(outcome: Outcome): void {
    const counts = this.#counts[outcome.kind]
    const status = Math.min(outcome.status, HIGHEST_STATUS)
    counts[status] = (counts[status] as number) + 1
  }

  /** Every pair of outcome and status that has been seen. */
  *entries(): Generator<{ outcome: Outcome['kind']; status: number; count: number }> {
    for (const outcome of Object.keys(this.#counts) as Outcome['kind'][]) {
      for (const [status, count] of this.#counts[outcome].entries()) {
        if (count > 0) yield { outcome, status, count }
      }
    }
  }
}

export const traffic = (counts: TrafficCounts): Layer => ({
  name: 'traffic',
  onFinish: (_exchange, outcome) => counts.count(outcome),
})
