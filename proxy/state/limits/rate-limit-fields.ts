/**
 * What replies say about limits, as in draft-ietf-httpapi-ratelimit-headers-09: each a list with one member a limit.
 *
 *     RateLimit-Policy: "per-client";q=100;w=60     so many requests in so many seconds
 *     RateLimit: "per-client";r=50;t=30             so many are left, and in so many seconds all are back
 */

/** @param name of a limit: letters, digits and "-", so that nothing in it need be escaped */
export const policyMember = (name: string, requests: number, perSeconds: number): string =>
  `"${name}";q=${requests};w=${perSeconds}`

export const quotaMember = (name: string, remaining: number, resetMs: number): string =>
  `"${name}";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`

/** Whole seconds for `Retry-After`, after which the wait is over. */
export const retryAfterSeconds = (waitMs: number): number => Math.max(Math.ceil(waitMs / 1_000), 1)
