import { statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { DocumentProblem } from './document-problem.ts'
import { ConfigurationError } from './environment.ts'
import type { Logger } from './log.ts'
import { parseYamlApart } from './yaml-apart.ts'

/** What a file of the keyring was read as. */
export type KeysetReading<Keys> =
  | { readonly kind: 'good'; readonly keys: Keys /** For the log: no secret. */; readonly names: readonly string[] }
  | { readonly kind: 'bad'; readonly problems: readonly DocumentProblem[] }

export interface KeysetSource<Keys> {
  /** The mounted folder, as a Kubernetes Secret is. */
  readonly folder: string
  /** In it, in YAML. Where it is not there at the start, there are no keys. */
  readonly file: string
  readonly none: Keys
  /** Messages must not repeat what may be a secret. */
  read(document: unknown): KeysetReading<Keys>
}

/** Polled, and not watched: a mounted Secret is a chain of links that are swapped, which watchers miss or tell of twice. */
const POLL_INTERVAL_MS = 2_000
/** As a Kubernetes Secret may be. */
const SIZE_LIMIT_BYTES = 1_048_576

/**
 * One keyset, as it is in its file now:
 *
 *     read at the start ──bad──▶ the process does not start
 *       └──▶ in use ──file changes──▶ read again ──good──▶ in use
 *                                        └──bad, or gone──▶ the last good one stays in use, and the log says why
 */
export class Keyset<Keys> {
  readonly #source: KeysetSource<Keys>
  readonly #log: Logger
  readonly #stop = new AbortController()
  #current: Keys
  /** What was read last, good or bad; undefined for no file. */
  #text: string | undefined
  #problems: readonly DocumentProblem[] = []

  private constructor(source: KeysetSource<Keys>, log: Logger) {
    this.#source = source
    this.#log = log
    this.#current = source.none
  }

  /**
   * Reads a keyset, and goes on reading it until it is closed.
   *
   * @throws ConfigurationError that names all that is wrong with the file
   */
  static async open<Keys>(
    source: KeysetSource<Keys>,
    log: Logger,
    pollIntervalMs: number = POLL_INTERVAL_MS,
  ): Promise<Keyset<Keys>> {
    if (!statSync(source.folder, { throwIfNoEntry: false })?.isDirectory()) {
      throw new ConfigurationError([`KEYRING_DIR: ${source.folder} is no folder: name the one that the keys are in`])
    }
    const keyset = new Keyset(source, log)
    await keyset.#readAgain()
    if (keyset.#problems.length > 0) {
      const path = join(source.folder, source.file)
      throw new ConfigurationError(keyset.#problems.map((problem) => `KEYRING_DIR: ${path}: ${inWords(problem)}`))
    }
    void keyset.#poll(pollIntervalMs)
    return keyset
  }

  /** The last good one. */
  get current(): Keys {
    return this.#current
  }

  /** Why what is in the file now is not in use; none where it is. */
  get problems(): readonly DocumentProblem[] {
    return this.#problems
  }

  close(): void {
    this.#stop.abort()
  }

  async #poll(intervalMs: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await delay(intervalMs, undefined, { signal: this.#stop.signal, ref: false })
      } catch {
        return // closed: the only reason for which this delay rejects
      }
      await this.#readAgain()
    }
  }

  async #readAgain(): Promise<void> {
    const { folder, file, none } = this.#source
    let text: string | undefined
    try {
      const path = join(folder, file)
      const found = await stat(path)
      // A pipe would be waited for, for ever.
      if (!found.isFile()) return this.#keep('is no file')
      if (found.size > SIZE_LIMIT_BYTES) return this.#keep(`is larger than ${SIZE_LIMIT_BYTES} bytes`)
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return this.#keep((error as Error).message)
      if (this.#current !== none) return this.#keep('the file is gone: put it back, or write {} into it for no keys')
    }
    if (text === undefined || text === this.#text) return
    this.#text = text
    const reading = await this.#readText(text)
    if (reading.kind === 'bad') {
      this.#refuse(reading.problems)
      return
    }
    this.#current = reading.keys
    this.#problems = []
    this.#log.info({ file, keys: reading.names }, 'keyring read')
  }

  async #readText(text: string): Promise<KeysetReading<Keys>> {
    const parsed = await parseYamlApart(text)
    return parsed.kind === 'bad' ? parsed : this.#source.read(parsed.document)
  }

  /** It cannot be read at all: said once for each reason, and read whatever comes next. */
  #keep(message: string): void {
    this.#text = undefined
    if (this.#problems[0]?.message !== message) this.#refuse([{ path: '', message }])
  }

  #refuse(problems: readonly DocumentProblem[]): void {
    this.#problems = problems
    this.#log.error({ file: this.#source.file, problems }, 'keyring not read: the last good one stays in use')
  }
}

const inWords = ({ path, message }: DocumentProblem): string => (path === '' ? message : `${path}: ${message}`)
