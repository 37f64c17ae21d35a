import type { BurnAlert } from './burn-alerts.ts'

/** Of one promise of one objective, the last ones that were not as promised. */
interface Ring {
  readonly objective: string
  readonly promise: BurnAlert['promise']
  readonly ids: string[]
  next: number
  /** Since it was asked last. */
  untold: number
}

const RING_LENGTH = 5
/** Names of a policy that is gone go with all others. */
const RINGS_LIMIT = 200

export interface BadExample {
  readonly objective: string
  readonly promise: BurnAlert['promise']
  /** The latest first. */
  readonly ids: readonly string[]
}

/** Correlation IDs of the last few exchanges that were not as promised, for whoever is told of an alert. */
export class BadExamples {
  readonly #rings = { availability: new Map<string, Ring>(), latency: new Map<string, Ring>() }

  /** Called at the end of an exchange that is bad (`availability`), or slow (`latency`). */
  note(objective: string, promise: BurnAlert['promise'], correlationId: string): void {
    const rings = this.#rings[promise]
    let ring = rings.get(objective)
    if (ring === undefined) {
      if (rings.size >= RINGS_LIMIT) rings.clear()
      ring = { objective, promise, ids: [], next: 0, untold: 0 }
      rings.set(objective, ring)
    }
    ring.ids[ring.next] = correlationId
    ring.next = (ring.next + 1) % RING_LENGTH
    if (ring.untold < RING_LENGTH) ring.untold++
  }

  /** Those that were noted since this was asked last. */
  take(): BadExample[] {
    return [...this.#rings.availability.values(), ...this.#rings.latency.values()].flatMap((ring) => {
      if (ring.untold === 0) return []
      const { objective, promise, ids, next } = ring
      const latest = Array.from(
        { length: ring.untold },
        (_, back) => ids[(next - 1 - back + RING_LENGTH) % RING_LENGTH] as string,
      )
      ring.untold = 0
      return [{ objective, promise, ids: latest }]
    })
  }
}
