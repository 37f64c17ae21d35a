import { type Directives, parseDirectives } from './cache-directives.ts'

const TEXTS_LIMIT = 64
const TEXT_LENGTH_LIMIT = 200

/** Reads directives, and remembers what it has read: an app has few texts for its `Cache-Control`, and uses them each time. */
export class KnownDirectives {
  readonly #read = new Map<string, Directives | undefined>()

  /** As {@link parseDirectives}. */
  readonly parse = (text: string): Directives | undefined => {
    const known = this.#read.get(text)
    if (known !== undefined || text.length > TEXT_LENGTH_LIMIT) return known ?? parseDirectives(text)
    const directives = parseDirectives(text)
    // An app with a text for each reply gains nothing by it, and loses little.
    if (this.#read.size >= TEXTS_LIMIT) this.#read.clear()
    this.#read.set(text, directives)
    return directives
  }
}
