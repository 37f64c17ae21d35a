import type { Logger } from '#shared/log.ts'
import { type Layer, PASS, type PolicyLayer } from '../layer.ts'
import type { Candidate } from '../state/policy/policy-shadow.ts'
import { ShadowRun } from './shadow-run.ts'

/** What a candidate is held against. */
export interface Shadowing {
  readonly shadow: { readonly current: Candidate | undefined }
  /** Layers for a new candidate: such as the active ones, and knowing what those have counted so far. */
  newLayers(): readonly PolicyLayer[]
  readonly log: Logger
}

/**
 * The layers that obey the policy, and around them what tells how a candidate would have done in their place:
 *
 *     shadow      above them: lets the candidate look first, and sees what has become of the request
 *     …           the layers
 *     shadow-tap  below them: what comes here has been admitted, and the reply is still as the app made it
 */
export const besideShadow = (
  { shadow, newLayers, log }: Shadowing,
  layers: readonly PolicyLayer[],
): readonly Layer[] => {
  let known: { readonly candidate: Candidate; readonly layers: readonly PolicyLayer[] } | undefined

  /** A failure of the candidate is its report's, and never the request's. */
  const attempt = (candidate: Candidate, step: () => void): void => {
    try {
      step()
    } catch (error) {
      if (candidate.report.failed()) log.error({ err: error }, 'the candidate in shadow has failed at a request')
    }
  }

  return [
    {
      name: 'shadow',
      admit(exchange) {
        const candidate = shadow.current
        if (candidate === undefined) known = undefined
        else {
          attempt(candidate, () => {
            if (known?.candidate !== candidate) known = { candidate, layers: newLayers() }
            exchange.shadowRun = new ShadowRun(candidate, known.layers, exchange)
          })
        }
        return PASS
      },
      onReply({ shadowRun }, head) {
        if (shadowRun !== undefined) attempt(shadowRun.candidate, () => shadowRun.onReply(head))
      },
      onFinish({ shadowRun }, outcome) {
        if (shadowRun !== undefined) attempt(shadowRun.candidate, () => shadowRun.onFinish(outcome))
      },
    },
    ...layers,
    {
      name: 'shadow-tap',
      admit(exchange) {
        exchange.shadowRun?.onAdmitted()
        return PASS
      },
      onReply({ shadowRun }, head) {
        if (shadowRun !== undefined) attempt(shadowRun.candidate, () => shadowRun.onAppReply(head))
      },
    },
  ]
}
