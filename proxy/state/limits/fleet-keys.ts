import { hash } from 'node:crypto'

/** Kinds of keys that are no secrets, and short. */
const PLAIN_KINDS: ReadonlySet<string> = new Set(['client-address', 'route'])
/** Of a digest, in characters of six bits: enough that no two clients are ever taken for one. */
const DIGEST_LENGTH = 22

/** What stands before a client in its key in Redis; keys that begin alike are on one shard of a cluster. */
export const fleetKeyStart = (
  { name, keyKind }: { readonly name: string; readonly keyKind: string },
  slot: number,
): string => `limit:{${name}/${keyKind}/${slot}}:`

/** A client in its key in Redis. What clients send to be known by may be a secret: of that, a digest. */
export const fleetKeyEnd = (keyKind: string, key: string): string =>
  PLAIN_KINDS.has(keyKind) ? key : hash('sha256', key, 'base64url').slice(0, DIGEST_LENGTH)
