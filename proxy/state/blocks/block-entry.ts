import type { Block } from './block.ts'

/** An unblock, remembered for a while, so that who still has the block does not bring it back. */
export interface Unblocked {
  readonly range: string
  readonly stamp: number
  /** The stamp of the block that its author saw: one with a greater one is another, and survives. */
  readonly seenStamp: number
}

/** What there is to say of a range. */
export type BlockEntry =
  | { readonly kind: 'block'; readonly block: Block }
  | { readonly kind: 'unblocked'; readonly unblocked: Unblocked }

/** In the place of "never", in milliseconds: what Lua and JSON can say. */
const NEVER = Number.MAX_SAFE_INTEGER

/** `stamp b until json` or `stamp x seenStamp`: what the scripts must compare stands in front, so that they parse no JSON. */
const ENTRY = /^(\d{1,16}) (?:b (\d{1,16}) (.+)|x (\d{1,16}))$/s

/** Without its range, which is the key that it stands under. */
export const blockText = (block: Block): string => {
  const { source, author, reason, sinceMs, count } = block
  const json = JSON.stringify([source, author, reason, Math.round(sinceMs), finite(block.forgetAtMs), count])
  return `${Math.round(block.stamp)} b ${finite(block.untilMs)} ${json}`
}

export const unblockedText = ({ stamp, seenStamp }: Unblocked): string =>
  `${Math.round(stamp)} x ${Math.round(seenStamp)}`

/** Undefined for what is none: somebody else has written there, or a later release. */
export const readEntry = (range: string, text: string): BlockEntry | undefined => {
  const [, stamp, untilMs, json, seenStamp] = ENTRY.exec(text) ?? []
  if (stamp === undefined) return undefined
  if (json === undefined) {
    return { kind: 'unblocked', unblocked: { range, stamp: Number(stamp), seenStamp: Number(seenStamp) } }
  }
  const rest = parsed(json)
  if (!isRest(rest)) return undefined
  const [source, author, reason, sinceMs, forgetAtMs, count] = rest
  const times = { sinceMs, untilMs: orNever(Number(untilMs)), forgetAtMs: orNever(forgetAtMs) }
  return { kind: 'block', block: { range, source, author, reason, ...times, count, stamp: Number(stamp) } }
}

type Rest = [
  source: Block['source'],
  author: string,
  reason: string,
  sinceMs: number,
  forgetAtMs: number,
  count: number,
]

/** By hand: a million of them may come, and requests wait meanwhile. */
const isRest = (value: unknown): value is Rest =>
  Array.isArray(value) &&
  (value[0] === 'auto' || value[0] === 'manual') &&
  typeof value[1] === 'string' &&
  typeof value[2] === 'string' &&
  value.slice(3, 6).every((figure) => typeof figure === 'number' && figure >= 0) &&
  value.length === 6

const finite = (ms: number): number => Math.min(Math.round(ms), NEVER)

const orNever = (ms: number): number => (ms >= NEVER ? Number.POSITIVE_INFINITY : ms)

const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined // the schema refuses it
  }
}
