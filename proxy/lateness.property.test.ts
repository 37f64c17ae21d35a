import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { excuseOf504, lateness, type Timed } from './lateness.ts'
import { passTurn, type Turn } from './turns.ts'

interface Span {
  readonly turn: Turn
  readonly ms: number
}

const spans: fc.Arbitrary<readonly Span[]> = fc.array(
  fc.record({ turn: fc.constantFrom<Turn[]>('client', 'own', 'app'), ms: fc.integer({ min: 0, max: 1_000 }) }),
  { minLength: 1, maxLength: 20 },
)

const tookMs = (list: readonly Span[], whose: Turn): number =>
  list.reduce((sum, { turn, ms }) => sum + (turn === whose ? ms : 0), 0)

interface Limits {
  readonly totalTimeoutMs?: number
  readonly isDeadlineCallers?: boolean
  /** What is left until the deadline behind the spans. */
  readonly leftMs?: number
  readonly headMs?: number
  readonly isOwed?: boolean
}

/** An exchange after its head, and the spans; and when that is. */
const played = (list: readonly Span[], limits: Limits): [timed: Timed, nowMs: number] => {
  const { totalTimeoutMs, isDeadlineCallers = false, leftMs = 0, headMs = 0, isOwed = false } = limits
  const startedAtMs = 1_000 + headMs
  const endMs = list.reduce((sum, { ms }) => sum + ms, startedAtMs)
  const timed: Timed = {
    ...{ turn: 'own', turnSinceMs: startedAtMs, clientsMs: headMs, ownMs: 0 },
    ...{ firstByteAtMs: 1_000, deadlineAtMs: endMs + leftMs, isDeadlineCallers },
    uploadStalledSinceMs: isOwed ? endMs : 0,
    operation: { name: 'read', ...(totalTimeoutMs !== undefined && { totalTimeoutMs }) },
  }
  let nowMs = startedAtMs
  for (const { turn, ms } of list) {
    passTurn(timed, turn, nowMs)
    nowMs += ms
  }
  return [timed, nowMs]
}

const head = fc.integer({ min: 0, max: 5_000 })

describe('who is late by the total of the operation', () => {
  it('is the app exactly where it is its turn, and at least half of the time was its own', () => {
    fc.assert(
      fc.property(spans, head, (list, headMs) => {
        const appsMs = tookMs(list, 'app')
        const totalTimeoutMs = list.reduce((sum, { ms }) => sum + ms, headMs)
        const [timed, nowMs] = played(list, { totalTimeoutMs, headMs })
        expect(lateness(timed, nowMs).text.fault === 'app').toBe(
          list.at(-1)?.turn === 'app' && appsMs * 2 >= totalTimeoutMs,
        )
      }),
    )
  })

  it('is else the client where it is waited for or took more than our queue, and our queue where that did', () => {
    fc.assert(
      fc.property(spans, head, fc.boolean(), (list, headMs, isOwed) => {
        const totalTimeoutMs = list.reduce((sum, { ms }) => sum + ms, headMs)
        const isClientsTurn = list.at(-1)?.turn === 'client'
        fc.pre(isClientsTurn || tookMs(list, 'app') * 2 < totalTimeoutMs)
        const [timed, nowMs] = played(list, { totalTimeoutMs, headMs, isOwed: isOwed && isClientsTurn })
        const isClients = isClientsTurn || headMs + tookMs(list, 'client') >= tookMs(list, 'own')
        expect(lateness(timed, nowMs).kind).toBe(isClients ? 'request-timeout' : 'queue-deadline')
      }),
    )
  })
})

describe('who is late by a caller’s deadline', () => {
  it('is the app only where it is its turn and it had half of what its operation may take, and never where that has no total', () => {
    fc.assert(
      fc.property(spans, fc.option(fc.integer({ min: 1, max: 40_000 }), { nil: undefined }), (list, totalMs) => {
        const [timed, nowMs] = played(list, {
          ...(totalMs !== undefined && { totalTimeoutMs: totalMs }),
          isDeadlineCallers: true,
        })
        const isApps = list.at(-1)?.turn === 'app' && totalMs !== undefined && tookMs(list, 'app') * 2 >= totalMs
        expect(lateness(timed, nowMs).kind).toBe(isApps ? 'deadline' : 'callers-deadline')
      }),
    )
  })

  it('is the client that still owes us of its request', () => {
    fc.assert(
      fc.property(spans, (list) => {
        const sending: Span = { turn: 'client', ms: 1 }
        const [timed, nowMs] = played([...list, sending], { isDeadlineCallers: true, isOwed: true })
        expect(lateness(timed, nowMs).kind).toBe('request-timeout')
      }),
    )
  })
})

describe('a 504 of the app’s own', () => {
  it('is excused only where others had left it less than half of the total, however soon it came', () => {
    fc.assert(
      fc.property(spans, head, fc.nat(10_000), (list, headMs, leftMs) => {
        const othersMs = headMs + tookMs(list, 'client') + tookMs(list, 'own')
        const totalTimeoutMs = list.reduce((sum, { ms }) => sum + ms, headMs + leftMs)
        const [timed, nowMs] = played(list, { totalTimeoutMs, headMs, leftMs })
        expect(excuseOf504(timed, nowMs) !== undefined).toBe(othersMs * 2 > totalTimeoutMs)
      }),
    )
  })

  it('is not excused where nothing limits the whole', () => {
    const [timed, nowMs] = played([{ turn: 'client', ms: 1_000 }], {})
    expect(excuseOf504({ ...timed, deadlineAtMs: 0 }, nowMs)).toBeUndefined()
  })
})
