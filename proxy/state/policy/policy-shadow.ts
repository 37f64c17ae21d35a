import { type Clock, systemClock } from '#shared/clock.ts'
import type { DocumentProblem } from '#shared/document-problem.ts'
import type { Logger } from '#shared/log.ts'
import { type FleetDocument, fleetDocument } from '#shared/redis/fleet-document.ts'
import { Gathered } from '#shared/redis/gathered.ts'
import type { Version } from '#shared/redis/shared-document.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { type CompiledPolicy, compilePolicy } from './compile.ts'
import { readPolicy } from './read.ts'
import { ShadowReport } from './shadow-report.ts'

const NAME = 'policy-shadow'
const TELL_INTERVAL_MS = 1_000
/** How often it is tried again when somebody else changes the candidate at the same moment. */
const ATTEMPTS = 5

/** A candidate that live traffic is held against. */
export interface Candidate {
  readonly policy: CompiledPolicy
  readonly report: ShadowReport
}

interface Shadowed {
  readonly version: number
  /** Null for none. */
  readonly document: unknown
  readonly author: string
  readonly at: string
}

/** The candidate of the fleet, if there is one: every instance holds its own traffic against it, and reports. */
export class PolicyShadow {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #document: FleetDocument
  readonly #gathered: Gathered
  readonly #timer: NodeJS.Timeout
  #shadowed: Shadowed | undefined
  #candidate: Candidate | undefined
  #problems: readonly DocumentProblem[] = []

  constructor(redis: RedisGuard | undefined, instanceId: string, log: Logger, clock: Clock = systemClock) {
    this.#log = log
    this.#clock = clock
    this.#gathered = new Gathered(redis, NAME, instanceId)
    this.#document = fleetDocument(redis, { name: NAME, historyLimit: 1 }, log, (current) => this.#take(current))
    this.#timer = setInterval(() => void this.#tell(), TELL_INTERVAL_MS)
    this.#timer.unref()
  }

  /** What traffic is to be held against, now. */
  get current(): Candidate | undefined {
    return this.#candidate
  }

  open(): Promise<void> {
    return this.#document.open()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#document.close()
    await this.#tell()
  }

  /**
   * Begins with a candidate, in the place of any other.
   *
   * @param document a policy that has been tried: `PolicyStore.try`
   * @returns whether the fleet has agreed; where not, it may do so yet
   */
  begin(document: unknown, author: string): Promise<boolean> {
    return this.#write(document, author)
  }

  /** Ends it. @returns as `begin` does */
  end(author: string): Promise<boolean> {
    return this.#write(null, author)
  }

  /** Whether there is a candidate, of use to this instance or not. */
  get isOn(): boolean {
    return (this.#shadowed?.document ?? null) !== null
  }

  /** What all instances have to say of the candidate; undefined where there is none. */
  async report(): Promise<Readonly<Record<string, unknown>> | undefined> {
    const shadowed = this.#shadowed
    if (shadowed === undefined || !this.isOn) return undefined
    const others = await this.#gathered.others(subjectOf(shadowed))
    const sum = new ShadowReport()
    if (this.#candidate !== undefined) sum.add(this.#candidate.report.raw())
    const unreadable = (others ?? []).filter((text) => !sum.addText(text)).length
    return {
      ...{ author: shadowed.author, at: shadowed.at },
      ...(this.#problems.length > 0 && { problems: this.#problems }),
      ...(others === undefined && { note: 'Redis cannot be asked at the moment: of this instance alone' }),
      ...(unreadable > 0 && { note: `without ${unreadable} instances, whose reports cannot be read here` }),
      ...sum.told(),
    }
  }

  async #write(document: unknown, author: string): Promise<boolean> {
    const body = JSON.stringify({ document, author, at: new Date(this.#clock.wallMs()).toISOString() })
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const proposal = await this.#document.propose(this.#document.current?.version ?? 0, body)
      if (proposal.kind === 'accepted') return true
      if (proposal.kind !== 'conflict') break
    }
    return false
  }

  #take({ version, body }: Version): void {
    const shadowed = parseShadowed({ version, body })
    this.#shadowed = shadowed
    this.#candidate = undefined
    this.#problems = []
    const { document, author } = shadowed
    if (document === null) {
      this.#log.info({ author }, 'shadow ended')
      return
    }
    const reading = readPolicy(document)
    if (reading.kind === 'bad') {
      this.#problems = reading.problems
      this.#log.error({ author, problems: reading.problems }, 'shadow refused')
      return
    }
    this.#candidate = { policy: compilePolicy(version, reading.policy), report: new ShadowReport() }
    this.#log.info({ author }, 'shadow begun')
  }

  async #tell(): Promise<void> {
    const report = this.#candidate?.report.raw()
    if (this.#shadowed === undefined || report === undefined || report.requests === 0) return
    await this.#gathered.tell(subjectOf(this.#shadowed), JSON.stringify(report))
  }
}

/** A Redis that has lost its documents gives a version twice; the reports of both are not to be mixed. */
const subjectOf = ({ version, at }: Shadowed): string => `${version}:${at}`

/** What is no candidate is none: it can be ended, and another begun. */
const parseShadowed = ({ version, body }: Version): Shadowed => {
  try {
    const { document = null, author, at } = JSON.parse(body) as Omit<Shadowed, 'version'>
    return { version, document, author: String(author), at: String(at) }
  } catch {
    return { version, document: null, author: 'unknown', at: new Date(0).toISOString() }
  }
}
