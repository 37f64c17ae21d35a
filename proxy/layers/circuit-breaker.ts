import type { Exchange } from '../exchange.ts'
import { type Layer, PASS } from '../layer.ts'
import { type Refusal, refusal } from '../refusal.ts'
import { type CircuitBreaker, REFUSED } from '../state/circuits/circuit-breaker.ts'
import type { Circuits } from '../state/circuits/circuits.ts'

/**
 * Gives the app a rest from operations that it fails at. It stands beside the app: what has not been sent there counts for nothing.
 *
 *     success   the head of a reply below 400; that of a stream too, which may have no end: how it ends counts for nothing
 *     failure   a 5xx, no connection, no answer in time, one that is malformed or breaks off
 *     neither   a 4xx, 501 or 505, which tell of the request; a client that leaves or stalls; our own queue; a 504 of the
 *               app's own by a deadline of which the time was not its own
 */
export const circuitBreaker = (circuits: Pick<Circuits, 'of' | 'nowMs' | 'countRefused'>): Layer => {
  const refuse = refuser()
  return {
    name: 'circuit-breaker',
    admit(exchange) {
      const { name: operation } = exchange.operation
      const circuit = circuits.of(operation)
      if (circuit === undefined) return PASS
      const { nowMs } = circuits
      const ticket = circuit.admit(nowMs)
      if (ticket === REFUSED) {
        circuits.countRefused(operation)
        return refuse(operation, circuit, nowMs)
      }
      exchange.circuit = circuit
      exchange.circuitTicket = ticket
      return PASS
    },
    /** A refusal goes on as it is: what it tells of the app is noted. */
    recover(exchange, refused) {
      if (exchange.circuit !== undefined) end(exchange, refused, circuits.nowMs)
      return refused
    },
    onReply(exchange, { status }) {
      const { circuit, circuitTicket } = exchange
      if (circuit === undefined) return undefined
      const { nowMs } = circuits
      if (status < 400) {
        exchange.circuitSuccess = circuit.succeeded(circuitTicket, nowMs)
        if (exchange.isStream) exchange.circuit = undefined
      } else if (tellsOfTheRequest(status)) circuit.answered(circuitTicket, nowMs)
      else if (exchange.excuse !== undefined) end(exchange, exchange.excuse, nowMs)
      else {
        exchange.circuit = undefined
        circuit.failed(circuitTicket, nowMs)
      }
      return undefined
    },
    onFinish(exchange, { refusal: refused }) {
      const { circuit } = exchange
      if (circuit === undefined) return
      if (refused !== undefined) end(exchange, refused, circuits.nowMs)
      else circuit.abandoned(exchange.circuitTicket) // nothing to one that has been answered
    },
  }
}

const tellsOfTheRequest = (status: number): boolean => status < 500 || status === 501 || status === 505

/** What a refusal in the place of the app's reply, or within it, says of the app. */
const end = (exchange: Exchange, refused: Refusal, nowMs: number): void => {
  const { circuit, circuitTicket, circuitSuccess } = exchange
  if (circuit === undefined) return
  exchange.circuit = undefined
  if (refused.text.fault !== 'app') circuit.abandoned(circuitTicket)
  else if (circuitSuccess === 0) circuit.failed(circuitTicket, nowMs)
  else circuit.brokeOff(circuitTicket, circuitSuccess, nowMs)
}

/** Most refusals are as the one before: those of a second are made once. */
const refuser = (): ((operation: string, circuit: CircuitBreaker, nowMs: number) => Refusal) => {
  let made: Refusal | undefined
  let of = ''
  let when = ''
  let seconds = 0
  return (operation, circuit, nowMs) => {
    const { state } = circuit.standing
    const secondsNow = Math.ceil(circuit.retryAfterMs(nowMs) / 1_000)
    if (made === undefined || operation !== of || state !== when || secondsNow !== seconds) {
      of = operation
      when = state
      seconds = secondsNow
      made = {
        ...refusal('circuit-open', `the circuit of "${operation}" is ${state}`),
        headers: ['Retry-After', String(seconds)],
      }
    }
    return made
  }
}
