import { copiedText } from '#shared/copied-text.ts'
import type { ContentKind } from '../cdn/content-kind.ts'

/** A reply of the app, kept to be served in the place of a failure. */
export interface KeptReply {
  readonly status: number
  readonly statusText: string
  /** As the app sent them, without those about its connection. Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** Of the request's target, for purges. */
  readonly pathAndQuery: string
  /** The app's, and those of the route. */
  readonly tags: readonly string[]
  /** By which fields of the request the app has chosen it (`Vary`). */
  readonly vary: readonly VaryField[]
  /** Monotonic. */
  readonly receivedAtMs: number
  /** Of a cache between the app and us, at that time. */
  readonly ageSeconds: number
  /** While it is no older than this it is fresh; undefined where the app did not say. */
  readonly freshSeconds: number | undefined
  /** How old it may be served, as far as the app has a say in it. */
  readonly servableSeconds: number
  /** Of its content, by which the policy tells replies apart. */
  readonly kind: ContentKind
  /** Whether the app has said what caches may do with it. */
  readonly isSaid: boolean
}

export interface VaryField {
  readonly lowerName: string
  /** All values, as one list. */
  readonly value: string
}

/** Seconds since the app, or the cache that had it from there, has made it (RFC 9111 §4.2.3). */
export const ageOf = ({ ageSeconds, receivedAtMs }: KeptReply, nowMs: number): number =>
  ageSeconds + Math.max(0, Math.floor((nowMs - receivedAtMs) / 1_000))

/** What is known of a reply before its body has come. */
export type KeptHead = Omit<KeptReply, 'body'>

/** For what is kept for long. */
export const copiedFields = (headers: readonly string[]): string[] => headers.map(copiedText)
