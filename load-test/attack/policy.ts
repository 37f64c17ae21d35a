/**
 * What the attack is met with. Loopback is trusted, so that `X-Forwarded-For` can stand for any number of clients; the
 * emergency is over soon, so that its end can be waited for.
 */
export const attackPolicy = `trustedProxies:
  ranges: [127.0.0.0/8, "::1/128"]
routes:
  listings: {match: {path: /listings}, limits: [per-client]}
  listing: {match: {path: "/listings/:id"}, limits: [per-client]}
limits:
  per-client: {requests: 5, perSeconds: 1, burst: 15}
blocking:
  violations: 10
  windowSeconds: 60
  firstBlockSeconds: 120
emergency:
  violationsPerSecond: 50
  minimumSeconds: 10
`
