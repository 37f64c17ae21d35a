import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Keyset } from '#shared/keyring.ts'
import type { Logger } from '#shared/log.ts'
import { addressPrefix } from '../facts/address-prefix.ts'
import { peerAddress } from '../facts/client-address.ts'
import { FailedAttempts } from './failed-attempts.ts'
import { refuse } from './refuse.ts'
import { type AdminToken, bearerOf, type Caller, type Role } from './tokens.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may; where a route does not say, `operate`. */
    role?: Role
  }
  interface FastifyRequest {
    /** Known once the guard has let the request pass. */
    caller: Caller
  }
}

/** Every token that is good now. */
export interface AdminTokens {
  readonly current: readonly AdminToken[]
}

/** Those of the environment, which stay, and those of the keyring, which change. */
export const adminTokens = (
  fixed: readonly AdminToken[],
  keyset: Keyset<readonly AdminToken[]> | undefined,
): AdminTokens => ({
  get current() {
    return keyset === undefined ? fixed : [...fixed, ...keyset.current]
  },
})

/**
 * Lets pass who bears a token of the role that the route wants. The guard is of routes, and not of a text that the URL
 * begins with: the router reads `%61pi` as `api`.
 */
export const guard = (scope: FastifyInstance, tokens: AdminTokens, log: Logger): void => {
  const failures = new FailedAttempts()
  scope.decorateRequest('caller')
  scope.addHook('onRequest', async (request, reply) => {
    const known = tokens.current
    if (known.length === 0) return unauthorized(reply, NO_TOKENS)
    const address = addressPrefix(peerAddress(request.socket.remoteAddress), IPV6_PREFIX_BITS)
    const waitMs = failures.waitMs(address)
    const { authorization } = request.headers
    const caller = waitMs > 0 && !isBeyondGuessing(authorization) ? undefined : bearerOf(authorization, known)
    if (caller === undefined) {
      if (authorization === undefined) return unauthorized(reply, NO_TOKEN_SENT)
      if (waitMs > 0) {
        reply.header('Retry-After', String(Math.ceil(waitMs / 1_000)))
        return refuse(reply, 429, 'Too Many Requests', TOO_MANY_WRONG)
      }
      if (failures.failed(address)) log.warn({ clientAddress: address }, 'admin port: too many wrong tokens')
      return unauthorized(reply, WRONG_TOKEN)
    }
    request.caller = { name: caller.name, role: caller.role }
    const needed = request.routeOptions.config.role ?? 'operate'
    if (needed === 'operate' && caller.role !== 'operate') {
      return refuse(reply, 403, 'Forbidden', `The token of ${caller.name} may look, and change nothing.`)
    }
    if (isFromElsewhere(request)) {
      return refuse(reply, 403, 'Forbidden', 'A page of another origin may not change anything here.')
    }
    return undefined
  })
}

/** One customer has a whole prefix to choose addresses from. */
const IPV6_PREFIX_BITS = 64

/**
 * Whoever guesses shares an address with operators, where all come by one proxy, or from this very machine: a token that no number of
 * guesses finds is looked at all the same. Those that are minted are so long.
 */
const isBeyondGuessing = (authorization: string | undefined): boolean =>
  authorization !== undefined && authorization.length >= 'Bearer '.length + 40

const TOO_MANY_WRONG =
  'Too many wrong tokens have come from this address; until this has passed, only tokens of 40 characters and more are looked at.'
const NO_TOKENS =
  'No token is configured, so this part of the admin port is off: set ADMIN_TOKEN, or KEYRING_DIR with tokens in it.'
const NO_TOKEN_SENT = 'Send a token as Authorization: Bearer <token>.'
const WRONG_TOKEN = 'This is none of the tokens that are good now: send one as Authorization: Bearer <token>.'

const unauthorized = (reply: FastifyReply, detail: string): FastifyReply =>
  refuse(reply.header('WWW-Authenticate', 'Bearer'), 401, 'Unauthorized', detail)

/** A browser says where the page is from that makes a request which changes something. */
const isFromElsewhere = ({ method, headers }: FastifyRequest): boolean =>
  method !== 'GET' && method !== 'HEAD' && headers.origin !== undefined && originHost(headers.origin) !== headers.host

const originHost = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined)
