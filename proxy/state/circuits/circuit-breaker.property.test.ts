import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  CircuitBreaker,
  type CircuitChange,
  type CircuitMode,
  type CircuitOrder,
  type CircuitRules,
  type CircuitState,
  REFUSED,
} from './circuit-breaker.ts'
import { BUCKETS } from './outcome-window.ts'

type Ending = 'success' | 'failure' | 'answer' | 'abandoned' | 'success, then broken off'

type Event =
  | { readonly kind: 'arrives'; readonly random: number }
  | { readonly kind: 'ends'; readonly which: number; readonly ending: Ending }
  | { readonly kind: 'passes'; readonly ms: number }
  | { readonly kind: 'ordered'; readonly order: CircuitOrder }

const rules: fc.Arbitrary<CircuitRules> = fc.record({
  consecutiveFailures: fc.constantFrom(1, 2, 4, 100),
  failureShare: fc.constantFrom(0.25, 0.5, 1),
  minimumRequests: fc.integer({ min: 1, max: 10 }),
  windowMs: fc.constantFrom(1_000, 10_000),
  openMs: fc.constantFrom(1_000, 5_000),
  rampMs: fc.constantFrom(0, 1_000, 10_000),
  probeMs: fc.constantFrom(1_000, 40_000),
})

const part = fc.integer({ min: 0, max: 999 }).map((thousandths) => thousandths / 1_000)

const events: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({ kind: fc.constant('arrives'), random: part }),
    },
    {
      weight: 10,
      arbitrary: fc.record({
        kind: fc.constant('ends'),
        which: fc.nat(3),
        ending: fc.constantFrom<Ending[]>(
          'success',
          'failure',
          'failure',
          'answer',
          'abandoned',
          'success, then broken off',
        ),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('passes'),
        ms: fc.oneof(fc.nat(200), fc.nat(500), fc.constantFrom(1_000, 5_000, 10_000, 40_000)),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('ordered'),
        order: fc.constantFrom<CircuitOrder[]>('open', 'closed', 'auto', 'auto', 'reset'),
      }),
    },
  ) as fc.Arbitrary<Event>,
  { maxLength: 200, size: 'max' },
)

/** What has become known, in the order in which it did; a success that breaks off first counts as one. */
interface Known {
  what: 'success' | 'failure' | 'taken back'
  readonly atMs: number
  readonly isRequest: boolean
}

/** A request that was admitted, and in which time. */
interface InFlight {
  readonly term: number
  readonly ticket: number
  success: number | undefined
  known: Known | undefined
}

/** The rule, as slowly and plainly as can be: everything that is known is kept, and counted anew each time. */
class Model {
  readonly rules: CircuitRules
  state: CircuitState = 'closed'
  mode: CircuitMode = 'auto'
  term = 0
  sinceMs: number
  probeSinceMs: number | undefined
  known: Known[] = []
  lastSuccess: Known | undefined

  constructor(given: CircuitRules, nowMs: number) {
    this.rules = given
    this.sinceMs = nowMs
  }

  admits(nowMs: number, random: number): boolean {
    const { openMs, probeMs, rampMs } = this.rules
    const ageMs = nowMs - this.sinceMs
    if (this.state === 'open' && this.mode === 'auto' && ageMs >= openMs) this.turn('half-open', nowMs)
    if (this.state === 'half-open') {
      if (this.probeSinceMs !== undefined && nowMs - this.probeSinceMs < probeMs) return false
      this.probeSinceMs = nowMs
      this.term++
      return true
    }
    if (this.state === 'closing' && ageMs >= rampMs) {
      this.state = 'closed'
      this.sinceMs = nowMs
    }
    return this.state === 'closed' || (this.state === 'closing' && random < ageMs / rampMs)
  }

  turn(state: CircuitState, nowMs: number): void {
    this.state = state
    this.sinceMs = nowMs
    this.probeSinceMs = undefined
    this.term++
    this.known = []
    this.lastSuccess = undefined
  }

  note(known: Known): void {
    this.known.push(known)
    if (known.what === 'success') this.lastSuccess = known
    else this.openIfTooMany(known.atMs)
  }

  counted(nowMs: number): { requests: number; failures: number } {
    const bucket = (ms: number) => Math.floor(ms / (this.rules.windowMs / BUCKETS))
    const recent = this.known.filter(({ atMs }) => bucket(nowMs) - bucket(atMs) < BUCKETS)
    return {
      requests: recent.filter(({ isRequest }) => isRequest).length,
      failures: recent.filter(({ what }) => what === 'failure').length,
    }
  }

  openIfTooMany(nowMs: number): void {
    const { consecutiveFailures, failureShare, minimumRequests } = this.rules
    const { requests, failures } = this.counted(nowMs)
    const isShare = requests >= minimumRequests && failures >= failureShare * requests
    if (this.failuresInARow >= consecutiveFailures || isShare) this.turn('open', nowMs)
  }

  get failuresInARow(): number {
    const since = this.known.slice(this.known.findLastIndex(({ what }) => what === 'success') + 1)
    return since.filter(({ what }) => what === 'failure').length
  }
}

/** Circuit and model, side by side. */
class Pair {
  nowMs = 1_000_000
  readonly model: Model
  readonly circuit: CircuitBreaker
  readonly changes: CircuitChange[] = []
  readonly inFlight: InFlight[] = []
  random = 0

  constructor(given: CircuitRules) {
    this.model = new Model(given, this.nowMs)
    this.circuit = new CircuitBreaker(
      given,
      this.nowMs,
      () => this.random,
      (change) => this.changes.push(change),
    )
  }

  step(event: Event): void {
    switch (event.kind) {
      case 'passes':
        this.nowMs += event.ms
        return
      case 'ordered':
        this.order(event.order)
        return
      case 'arrives': {
        this.random = event.random
        const isAdmitted = this.model.admits(this.nowMs, event.random)
        const ticket = this.circuit.admit(this.nowMs)
        expect(ticket !== REFUSED).toBe(isAdmitted)
        if (isAdmitted) this.inFlight.push({ term: this.model.term, ticket, success: undefined, known: undefined })
        return
      }
      case 'ends': {
        const at = event.which % Math.max(1, this.inFlight.length)
        const [one] = this.inFlight.slice(at, at + 1)
        if (one === undefined) return
        if (event.ending === 'success, then broken off' && one.success === undefined) {
          this.succeed(one)
          return // it breaks off when it is come to again, with whatever lies between
        }
        this.inFlight.splice(at, 1)
        if (one.success === undefined) this.end(one, event.ending)
        else this.breakOff(one, one.success)
      }
    }
  }

  order(order: CircuitOrder): void {
    const was = this.model.mode
    this.circuit.order(order, this.nowMs)
    this.model.mode = order === 'reset' ? 'auto' : order
    if (order !== 'auto') this.model.turn(order === 'open' ? 'open' : 'closed', this.nowMs)
    else if (was === 'open') this.model.turn('half-open', this.nowMs)
  }

  succeed(one: InFlight): void {
    const { model, nowMs } = this
    one.success = this.circuit.succeeded(one.ticket, nowMs)
    if (one.term !== model.term || model.mode !== 'auto') return
    if (model.state === 'half-open') model.turn(model.rules.rampMs === 0 ? 'closed' : 'closing', nowMs)
    else {
      one.known = { what: 'success', atMs: nowMs, isRequest: true }
      model.note(one.known)
    }
  }

  breakOff(one: InFlight, success: number): void {
    const { model, nowMs } = this
    if (success === 0) return // as the layer has it, where it was a probe or came too late
    this.circuit.brokeOff(one.ticket, success, nowMs)
    if (one.term !== model.term || model.mode !== 'auto') return
    // The request stays one; that it was a success is taken back, unless another has come since.
    if (one.known !== undefined && one.known === model.lastSuccess) one.known.what = 'taken back'
    model.note({ what: 'failure', atMs: nowMs, isRequest: false })
  }

  end(one: InFlight, ending: Ending): void {
    const { model, circuit, nowMs } = this
    const counts = one.term === model.term && model.mode === 'auto'
    switch (ending) {
      case 'success':
        this.succeed(one)
        return
      case 'failure':
        circuit.failed(one.ticket, nowMs)
        if (!counts) return
        if (model.state === 'half-open') model.turn('open', nowMs)
        else model.note({ what: 'failure', atMs: nowMs, isRequest: true })
        return
      case 'answer':
        circuit.answered(one.ticket, nowMs)
        if (counts && model.state === 'half-open') model.turn(model.rules.rampMs === 0 ? 'closed' : 'closing', nowMs)
        return
      default:
        circuit.abandoned(one.ticket)
        if (counts && model.state === 'half-open') model.probeSinceMs = undefined
    }
  }
}

const played = (given: CircuitRules, list: readonly Event[], check: (pair: Pair) => void): void => {
  const pair = new Pair(given)
  for (const event of list) {
    pair.step(event)
    check(pair)
  }
}

const some = { consecutiveFailures: 3, failureShare: 0.5, minimumRequests: 10, windowMs: 10_000, probeMs: 30_000 }

describe('a circuit', () => {
  it('is, after any requests, outcomes and orders, in the state that the rule says', () => {
    fc.assert(
      fc.property(rules, events, (given, list) =>
        played(given, list, ({ circuit, model, nowMs }) => {
          const { state, mode, failuresInARow } = model
          expect({ state: circuit.standing.state, mode: circuit.mode, failuresInARow: circuit.failuresInARow }).toEqual(
            {
              ...{ state, mode, failuresInARow },
            },
          )
          expect(circuit.standing.sinceMs).toBe(model.sinceMs)
          expect(circuit.counted(nowMs)).toEqual(model.counted(nowMs))
          expect(circuit.retryAfterMs(nowMs)).toBeGreaterThanOrEqual(1_000)
        }),
      ),
      { numRuns: 1_000 },
    )
  })

  it('tells of each change once, and leaves no state but by one', () => {
    fc.assert(
      fc.property(rules, events, (given, list) => {
        let state: CircuitState = 'closed'
        played(given, list, ({ changes, circuit }) => {
          for (const { from, to } of changes.splice(0)) {
            expect(from).toBe(state)
            expect(to).not.toBe(from)
            state = to
          }
          expect(circuit.standing.state).toBe(state)
        })
      }),
    )
  })

  it('lets one probe through at a time, unless its client holds it up', () => {
    fc.assert(
      fc.property(rules, events, (given, list) => {
        const probes = new Map<number, number>()
        const pair = new Pair(given)
        for (const event of list) {
          const before = pair.inFlight.length
          pair.step(event)
          const { state } = pair.circuit.standing
          if (state !== 'half-open') probes.clear()
          const arrived = event.kind === 'arrives' && pair.inFlight.length > before ? pair.inFlight.at(-1) : undefined
          if (state === 'half-open' && arrived !== undefined) probes.set(arrived.ticket, pair.nowMs)
          const tickets = new Set(pair.inFlight.map(({ ticket }) => ticket))
          const held = [...probes].filter(([ticket, atMs]) => tickets.has(ticket) && pair.nowMs - atMs < given.probeMs)
          expect(held.length).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('is opened by no number of clients that leave and requests that are wrong', () => {
    const harmless = fc.array(fc.constantFrom<Ending[]>('answer', 'abandoned'), { maxLength: 300 })
    fc.assert(
      fc.property(rules, harmless, (given, endings) => {
        const pair = new Pair(given)
        for (const ending of endings) {
          pair.step({ kind: 'arrives', random: 0 })
          pair.step({ kind: 'ends', which: 0, ending })
        }
        expect(pair.circuit.standing.state).toBe('closed')
        expect(pair.circuit.counted(pair.nowMs)).toEqual({ requests: 0, failures: 0 })
      }),
    )
  })

  it('never stays half-open: whoever holds the probe and however it ends, the next request may be one', () => {
    fc.assert(
      fc.property(rules, events, (given, list) => {
        const pair = new Pair(given)
        for (const event of list) pair.step(event)
        pair.step({ kind: 'ordered', order: 'auto' })
        if (pair.circuit.standing.state !== 'half-open') return
        pair.nowMs += given.probeMs
        const ticket = pair.circuit.admit(pair.nowMs)
        expect(ticket).not.toBe(REFUSED)
        pair.circuit.succeeded(ticket, pair.nowMs)
        expect(pair.circuit.standing.state).not.toBe('half-open')
      }),
    )
  })

  it('does not hear of a former probe, which its client has held up', () => {
    const circuit = new CircuitBreaker(
      { ...some, openMs: 1_000, rampMs: 0 },
      0,
      () => 0,
      () => undefined,
    )
    circuit.order('open', 0)
    circuit.order('auto', 0)
    const former = circuit.admit(0)
    const probe = circuit.admit(some.probeMs)
    circuit.failed(former, some.probeMs)
    circuit.abandoned(former)
    expect([circuit.admit(some.probeMs), circuit.standing.state]).toEqual([REFUSED, 'half-open'])
    circuit.succeeded(probe, some.probeMs)
    expect(circuit.standing.state).toBe('closed')
  })

  it('closes in a line: of equally distributed requests it lets as large a share through as of the ramp has passed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_000, max: 100_000 }), fc.integer({ min: 0, max: 120 }), (rampMs, percent) => {
        let random = 0
        const circuit = new CircuitBreaker(
          { ...some, openMs: 1_000, rampMs },
          0,
          () => random,
          () => undefined,
        )
        circuit.order('open', 0)
        circuit.order('auto', 0)
        circuit.succeeded(circuit.admit(0), 0)
        expect(circuit.standing.state).toBe('closing')
        let admitted = 0
        for (let index = 0; index < 1_000; index++) {
          random = index / 1_000
          if (circuit.admit((percent / 100) * rampMs) !== REFUSED) admitted++
        }
        expect(Math.abs(admitted - 10 * Math.min(100, percent))).toBeLessThanOrEqual(1)
      }),
    )
  })
})
