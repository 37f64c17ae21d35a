import { setTimeout as delay } from 'node:timers/promises'
import { type Dispatcher, Pool } from 'undici'
import { type Puzzle, puzzleIn, solvePuzzle } from './solve-puzzle.ts'
import { Tallying } from './tally.ts'

/** A user who is not answered within this has not been served. */
const PATIENCE_MS = 5_000
const PAUSE_MS = { least: 200, most: 600 }

/** Out of the addresses kept for documentation (RFC 5737, RFC 3849): half of the users come by IPv6. */
const userAddress = (number: number): string =>
  number % 2 === 0 ? `203.0.113.${(number >> 1) % 254}` : `2001:db8:${number.toString(16)}::1`

/** Ordinary users: each reads a page, looks at it, and reads the next, and solves the puzzle when asked to. */
export class Users {
  readonly tallying = new Tallying()
  readonly #url: URL
  readonly #pool: Pool
  readonly #stop = new AbortController()
  readonly #living: Promise<void>[] = []
  #durationsMs: number[] = []
  /** How many puzzles were solved. */
  solved = 0

  constructor(url: string, count: number) {
    this.#url = new URL(url)
    this.#pool = new Pool(this.#url.origin, { connections: count })
    for (let number = 0; number < count; number++) this.#living.push(this.#live(userAddress(number)))
  }

  /** Of the replies since it was called last, what they took, solving included. */
  takeDurations(): number[] {
    const taken = this.#durationsMs
    this.#durationsMs = []
    return taken
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#living)
    await this.#pool.destroy()
  }

  async #live(address: string): Promise<void> {
    const headers: Record<string, string> = { 'X-Forwarded-For': address, Accept: 'application/json' }
    while (!this.#stop.signal.aborted) {
      const startedAtMs = performance.now()
      this.tallying.count(await this.#read(headers))
      this.#durationsMs.push(performance.now() - startedAtMs)
      await delay(PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least))
    }
  }

  /** @returns the status that the user has in the end; 0 for none in time */
  async #read(headers: Record<string, string>): Promise<number> {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const page = { method: 'GET', path: this.#url.pathname, headers, signal } as const
    try {
      const first = await this.#ask(page)
      const puzzle = first.status === 429 ? puzzleIn(first.body) : undefined
      if (puzzle === undefined) return first.status
      headers['X-Sidegate-Clearance'] = await this.#clearance(puzzle, headers, signal)
      this.solved++
      return (await this.#ask(page)).status
    } catch {
      return 0 // not served: that is what is counted
    }
  }

  async #clearance(puzzle: Puzzle, headers: Record<string, string>, signal: AbortSignal): Promise<string> {
    const { status, body } = await this.#ask({
      ...{ method: 'POST', path: puzzle.answerTo, signal },
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify(await solvePuzzle(puzzle)),
    })
    const { clearance } = body as { clearance?: unknown }
    if (typeof clearance !== 'string') throw new Error(`no clearance: ${status}`)
    return clearance
  }

  async #ask(options: Dispatcher.RequestOptions): Promise<{ status: number; body: unknown }> {
    const { statusCode, body, headers } = await this.#pool.request(options)
    if (String(headers['content-type']).includes('json')) return { status: statusCode, body: await body.json() }
    await body.dump()
    return { status: statusCode, body: undefined }
  }
}
