/** Texts that many share, each held once and under a number, for as long as somebody has it. */
export class TextPool {
  readonly #numbers = new Map<string, number>()
  readonly #texts: string[] = []
  readonly #holders: number[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#numbers.size
  }

  take(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) {
      this.#holders[known] = (this.#holders[known] as number) + 1
      return known
    }
    const number = this.#free.pop() ?? this.#texts.length
    this.#texts[number] = text
    this.#holders[number] = 1
    this.#numbers.set(text, number)
    return number
  }

  text(number: number): string {
    return this.#texts[number] ?? ''
  }

  /** As often as it was taken. */
  giveUp(number: number): void {
    const holders = (this.#holders[number] as number) - 1
    this.#holders[number] = holders
    if (holders > 0) return
    this.#numbers.delete(this.#texts[number] as string)
    this.#texts[number] = ''
    this.#free.push(number)
  }
}
