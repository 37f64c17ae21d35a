import type { Proposal, Version } from './shared-document.ts'

/** A document in this process alone: what takes the place of a shared one where no Redis is configured. */
export class LocalDocument {
  readonly #historyLimit: number
  readonly #onChange: (current: Version) => void
  #history: readonly Version[] = []

  constructor(historyLimit: number, onChange: (current: Version) => void) {
    this.#historyLimit = historyLimit
    this.#onChange = onChange
  }

  get current(): Version | undefined {
    return this.#history[0]
  }

  async open(): Promise<void> {
    // There is nobody to learn from.
  }

  close(): void {
    // Nothing is open.
  }

  async refresh(): Promise<boolean> {
    return true
  }

  async history(): Promise<readonly Version[]> {
    return this.#history
  }

  async propose(expected: number, body: string): Promise<Proposal> {
    const { current } = this
    if ((current?.version ?? 0) !== expected) return { kind: 'conflict', current }
    const next = { version: expected + 1, body }
    this.#history = [next, ...this.#history].slice(0, this.#historyLimit)
    this.#onChange(next)
    return { kind: 'accepted', version: next.version }
  }
}
