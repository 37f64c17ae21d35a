import { clientOf } from '../facts/client-address.ts'
import { type Facts, Later, PASS, type PolicyLayer } from '../layer.ts'
import type { Outcome } from '../outcome.ts'
import { isRefusal } from '../refusal.ts'
import type { ReplyHead } from '../reply.ts'
import type { Candidate } from '../state/policy/policy-shadow.ts'

/**
 * One exchange as a candidate would have treated it, beside what becomes of it. The layers are the candidate's own, with
 * counts of their own: nothing that is done here is felt.
 */
export class ShadowRun {
  readonly candidate: Candidate
  readonly #layers: readonly PolicyLayer[]
  readonly #facts: Facts
  readonly #activeRoute: string | null
  readonly #refusal: string | undefined
  /** How many of the candidate's layers have admitted it. */
  #depth = 0
  /** Whether it has come through the active layers. */
  #isAdmitted = false
  /** The app's reply, as it came. */
  #headers: string[] | undefined

  constructor(candidate: Candidate, layers: readonly PolicyLayer[], exchange: Facts) {
    this.candidate = candidate
    this.#layers = layers
    this.#activeRoute = exchange.route?.name ?? null
    const { request, method, path, peer, emergency } = exchange
    const { policy } = candidate
    const from = policy.trust === undefined ? peer : clientOf(peer, request.rawHeaders, policy.trust)
    const { address: clientAddress, ip: clientIp } = from
    const route = policy.routes.find(method, path)
    this.#facts = {
      request,
      method,
      path,
      peer,
      clientAddress,
      clientIp,
      policy,
      route,
      emergency,
      rateLimit: undefined,
    }
    this.#refusal = this.#admit()
  }

  /** The active layers have let it through. */
  onAdmitted(): void {
    this.#isAdmitted = true
  }

  /** The app has replied, and no active layer has changed it yet. */
  onAppReply({ headers }: ReplyHead): void {
    this.#headers = [...headers]
  }

  /** All active layers have seen the reply. */
  onReply(head: ReplyHead): void {
    if (this.#headers === undefined || this.#refusal !== undefined) return
    const candidates: ReplyHead = { ...head, headers: this.#headers }
    for (let depth = this.#depth - 1; depth >= 0; depth--) this.#layers[depth]?.onReply?.(this.#facts, candidates)
    const changed = differing(head.headers, candidates.headers)
    if (changed.length > 0) this.candidate.report.wouldChange(this.#route, changed)
  }

  onFinish({ refusal }: Outcome): void {
    const { report } = this.candidate
    const route = this.#route
    report.request()
    if (route !== this.#activeRoute) report.rerouted({ from: this.#activeRoute, to: route })
    if (this.#isAdmitted && this.#refusal !== undefined) report.wouldRefuse({ route, refusal: this.#refusal })
    if (!this.#isAdmitted && this.#refusal === undefined && refusal !== undefined) {
      report.wouldAdmit({ route, refusal: refusal.kind })
    }
  }

  get #route(): string | null {
    return this.#facts.route?.name ?? null
  }

  #admit(): string | undefined {
    for (const layer of this.#layers) {
      const verdict = layer.admit?.(this.#facts) ?? PASS
      // What a layer must ask somebody for would be asked for twice: it is taken for consent.
      if (verdict !== PASS && !(verdict instanceof Later)) return isRefusal(verdict) ? verdict.kind : layer.name
      this.#depth++
    }
    return undefined
  }
}

/** The names of headers that are not the same in both, in lower case. */
const differing = (some: readonly string[], others: readonly string[]): string[] => {
  const [left, right] = [byName(some), byName(others)]
  return [...new Set([...left.keys(), ...right.keys()])].filter((name) => left.get(name) !== right.get(name))
}

const byName = (headers: readonly string[]): Map<string, string> => {
  const found = new Map<string, string>()
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] as string).toLowerCase()
    const value = headers[at + 1] as string
    const before = found.get(name)
    found.set(name, before === undefined ? value : `${before}\n${value}`)
  }
  return found
}
