import { Agent, request } from 'node:http'

/** One request of the mix, with what became of it. */
export interface Seen {
  /** Since the run began: when it was due, whether or not it could be sent then. */
  readonly dueMs: number
  /** From when it was due to the last byte. */
  readonly durationMs: number
  readonly kind: 'cacheable' | 'personal' | 'write'
  /** 0 for none. */
  readonly status: number
  readonly isStale: boolean
}

const LISTINGS = 200
/** A reader who is not answered within this has not been. */
const PATIENCE_MS = 20_000
const TICK_MS = 5

/** Requests at a steady rate, whatever becomes of those before (an open model): nine of ten are for public pages. */
export class Readers {
  readonly seen: Seen[] = []
  readonly #origin: URL
  readonly #perSecond: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 5_000, maxFreeSockets: 256 })
  readonly #startedAtMs = performance.now()
  readonly #timer: NodeJS.Timeout
  #sent = 0
  #underWay = 0

  constructor(origin: string, perSecond: number) {
    this.#origin = new URL(origin)
    this.#perSecond = perSecond
    this.#timer = setInterval(() => this.#sendDue(), TICK_MS)
  }

  get nowMs(): number {
    return performance.now() - this.#startedAtMs
  }

  /** Sends no more, and waits for those that are under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    const untilMs = performance.now() + PATIENCE_MS
    while (this.#underWay > 0 && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 50))
    this.#agent.destroy()
  }

  #sendDue(): void {
    const due = Math.floor((this.nowMs * this.#perSecond) / 1_000)
    for (; this.#sent < due; this.#sent++) this.#send(this.#sent)
  }

  #send(number: number): void {
    const dueMs = (number * 1_000) / this.#perSecond
    const kind = number % 50 === 0 ? 'write' : number % 10 === 5 ? 'personal' : 'cacheable'
    const path =
      kind === 'cacheable' ? `/listings/${(number * 7) % LISTINGS}` : kind === 'personal' ? '/me' : '/inquiries'
    this.#underWay++
    const end = (status: number, isStale = false): void => {
      if (isEnded) return
      isEnded = true
      this.#underWay--
      this.seen.push({ dueMs, durationMs: this.nowMs - dueMs, kind, status, isStale })
    }
    let isEnded = false
    const { hostname, port } = this.#origin
    const headers = { Host: 'shop.example', ...(kind === 'personal' && { Authorization: 'Bearer a-session' }) }
    const method = kind === 'write' ? 'POST' : 'GET'
    const sending = request(
      { hostname, port, path, method, headers, agent: this.#agent, timeout: PATIENCE_MS },
      (reply) => {
        const { statusCode = 0, headers: fields } = reply
        reply.resume().on('end', () => end(statusCode, String(fields['cache-status']).startsWith('sidegate; hit')))
        reply.on('error', () => end(0))
      },
    )
    sending.on('error', () => end(0))
    sending.on('timeout', () => sending.destroy())
    sending.end()
  }
}
