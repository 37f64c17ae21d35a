import type { Refusal } from './refusal.ts'

/**
 * How an exchange ended:
 *
 * - `replied`      the app's reply reached its last byte
 * - `answered`     Sidegate's own reply did, to a request for itself
 * - `refused`      Sidegate's own reply did, in the place of the app's
 * - `stale`        an earlier reply of the app did, in the place of a failure
 * - `cut`          a reply was begun and could not be ended: the client saw its connection close
 * - `client-abort` the client went away first; no failure of ours or the app's
 */
export interface Outcome {
  readonly kind: 'replied' | 'answered' | 'refused' | 'stale' | 'cut' | 'client-abort'
  /** As the client saw it; 499 where it had left before there was one. */
  readonly status: number
  readonly refusal: Refusal | undefined
  readonly durationMs: number
  /** Of the reply's body. */
  readonly bodyBytes: number
}

/** NGINX's name for a client that closed the request; never sent. */
export const CLIENT_CLOSED_REQUEST = 499
