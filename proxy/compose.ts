import type { Exchange } from './exchange.ts'
import { Later, type Layer, PASS, type Verdict } from './layer.ts'
import type { Outcome } from './outcome.ts'
import { isRefusal, type Refusal, refusal } from './refusal.ts'
import type { Reply, ReplyHead } from './reply.ts'

/** One round trip to what is behind the layers. Reports back through the exchange. */
export type Forward = (exchange: Exchange) => void

/** The layers as the rest of the proxy meets them. */
export interface Pipeline {
  /** Takes a request down the list. The answer comes by {@link Exchange}, now or later. */
  handle(exchange: Exchange): void
  /** Takes a reply's head up the list. @returns the first refusal to let it out, or failure of a layer at it, where there is one */
  onReply(exchange: Exchange, head: ReplyHead): Refusal | undefined
  /** Makes a reply of a refusal, wherever it arose. */
  recover(exchange: Exchange, refusal: Refusal): Reply
  onFinish(exchange: Exchange, outcome: Outcome): void
}

/**
 * Joins layers, outermost first, to a `forward`. Exactly the layers that admitted an exchange see its reply and its
 * end, and what a layer throws is a refusal (`internal-error`) from that layer. At the end there is nobody left to
 * refuse to: `onFailure` is told.
 *
 * @throws Error where no layer turns every refusal into a reply
 */
export const compose = (
  layers: readonly Layer[],
  forward: Forward,
  onFailure: (layer: string, error: unknown) => void,
): Pipeline => {
  if (!layers.some((layer) => layer.recover !== undefined)) throw new Error('no layer makes a reply of a refusal')

  // Each way goes through the layers that have something to do on it, and no other.
  const having = (hook: 'admit' | 'onReply' | 'onFinish'): readonly Placed[] =>
    layers.flatMap((layer, depth) => (layer[hook] === undefined ? [] : [{ layer, depth }]))
  const admitting = having('admit')
  const replying = having('onReply').toReversed()
  const finishing = having('onFinish').toReversed()

  const descend = (exchange: Exchange, start: number): void => {
    for (let index = start; index < admitting.length; index++) {
      const { layer, depth } = admitting[index] as Placed
      exchange.depth = depth
      const verdict = ask(layer, exchange)
      if (verdict === PASS) continue
      if (verdict instanceof Later) wait(exchange, layer, verdict, index)
      else exchange.answer(verdict)
      return
    }
    exchange.depth = layers.length
    forward(exchange)
  }

  /** Goes on where it stopped, unless the exchange has ended meanwhile. */
  const wait = (exchange: Exchange, layer: Layer, later: Later, index: number): void => {
    const goOn = (verdict: Verdict): void => {
      if (exchange.isAnswered) return
      if (verdict === PASS) descend(exchange, index + 1)
      else exchange.answer(verdict)
    }
    later.verdict.then(
      (verdict) => goOn(checked(layer, verdict)),
      (error) => goOn(failure(layer, error)),
    )
  }

  const recover = (exchange: Exchange, first: Refusal): Reply => {
    let current = first
    // Every layer is asked, not only those that admitted: an exchange refused above the rescue needs it all the same.
    for (let depth = layers.length - 1; depth >= 0; depth--) {
      const layer = layers[depth] as Layer
      if (layer.recover === undefined) continue
      try {
        const recovered = layer.recover(exchange, current)
        if (!isRefusal(recovered)) return recovered
        current = recovered
      } catch (error) {
        current = refusal('internal-error', `layer ${layer.name} failed to recover`, error)
      }
    }
    throw new Error('no layer made a reply of the refusal', { cause: current.cause })
  }

  return {
    recover,
    handle: (exchange) => descend(exchange, 0),
    onReply(exchange, head) {
      let failed: Refusal | undefined
      for (let index = 0; index < replying.length; index++) {
        const { layer, depth } = replying[index] as Placed
        if (depth >= exchange.depth) continue
        try {
          const refused = layer.onReply?.(exchange, head)
          failed ??= refused
        } catch (error) {
          failed ??= refusal('internal-error', `layer ${layer.name} failed at the reply`, error)
        }
      }
      return failed
    },
    onFinish(exchange, outcome) {
      for (let index = 0; index < finishing.length; index++) {
        const { layer, depth } = finishing[index] as Placed
        if (depth >= exchange.depth) continue
        try {
          layer.onFinish?.(exchange, outcome)
        } catch (error) {
          onFailure(layer.name, error)
        }
      }
    },
  }
}

/** A layer, and how many are above it. */
interface Placed {
  readonly layer: Layer
  readonly depth: number
}

const ask = (layer: Layer, exchange: Exchange): Verdict | Later => {
  try {
    const verdict = layer.admit?.(exchange)
    return verdict instanceof Later ? verdict : checked(layer, verdict)
  } catch (error) {
    return failure(layer, error)
  }
}

/** What the types promise, held against code that got round them. */
const checked = (layer: Layer, verdict: Verdict | undefined): Verdict =>
  verdict === PASS || (typeof verdict === 'object' && verdict !== null && ('kind' in verdict || 'head' in verdict))
    ? verdict
    : refusal('internal-error', `layer ${layer.name} gave no verdict`)

const failure = (layer: Layer, error: unknown): Refusal =>
  refusal('internal-error', `layer ${layer.name} failed`, error)
