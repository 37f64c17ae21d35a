import { type ChainableCommander, Cluster, Redis, type RedisCommander, type RedisOptions } from 'ioredis'
import type { RedisTarget } from './settings.ts'

/** A server, or a cluster. */
export type RedisClient = Redis | Cluster

/** What commands are sent to. */
export interface RedisCommands extends RedisCommander {
  pipeline(): ChainableCommander
}

const CONNECT_TIMEOUT_MS = 1_000
const COMMAND_GRACE_MS = 1_000
/** A connection on which nothing is answered for so long is given up: its other end may be another machine by now. */
const SILENCE_LIMIT_MS = 3_000
/** Two changes of address in the middle of a call are no accident; more of them are. */
const REDIRECTIONS_LIMIT = 3
const REDIRECTION_DELAY_MS = 10
const SLOTS_REFRESH_MS = 5_000
const LONGEST_RECONNECT_DELAY_MS = 2_000

/** Spread, so that the instances of a fleet do not come back at once. */
const reconnectDelayMs = (times: number): number => {
  const delayMs = Math.min(50 * 2 ** Math.min(times - 1, 10), LONGEST_RECONNECT_DELAY_MS)
  return Math.round(delayMs * (0.75 + Math.random() / 2))
}

/**
 * A client that never keeps a command for later: what cannot be sent now, or is not answered within `timeoutMs`, fails.
 * It reconnects for as long as it is open.
 */
export const createRedisClient = (target: RedisTarget, timeoutMs: number, name: string): RedisClient => {
  const options = {
    connectionName: name,
    disableClientInfo: true,
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // Who asked has gone on already: this frees what they left, and comes before no answer that is there.
    commandTimeout: timeoutMs + COMMAND_GRACE_MS,
    socketTimeout: SILENCE_LIMIT_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false, // by subscriptions.ts, which expects that it may fail
    ...(target.username !== undefined && { username: target.username }),
    ...(target.password !== undefined && { password: target.password }),
    ...(target.tls !== undefined && { tls: target.tls.ca === undefined ? {} : { ca: target.tls.ca } }),
  } satisfies RedisOptions
  switch (target.kind) {
    case 'single':
      return new Redis({
        ...options,
        ...target.node,
        db: target.database,
        enableOfflineQueue: false,
        retryStrategy: reconnectDelayMs,
      })
    case 'sentinel':
      return new Redis({
        ...options,
        name: target.masterName,
        sentinels: [...target.sentinels],
        ...(target.sentinelUsername !== undefined && { sentinelUsername: target.sentinelUsername }),
        ...(target.sentinelPassword !== undefined && { sentinelPassword: target.sentinelPassword }),
        ...(target.tls !== undefined && { enableTLSForSentinelMode: true, sentinelTLS: options.tls ?? {} }),
        sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
        sentinelRetryStrategy: reconnectDelayMs,
        failoverDetector: true,
        // What was the master has become a replica: ask the sentinels again.
        reconnectOnError: (error) => error.message.startsWith('READONLY'),
        enableOfflineQueue: false,
        retryStrategy: reconnectDelayMs,
      })
    case 'cluster': {
      return new Cluster([...target.nodes], {
        // Of the cluster, not of its nodes: these need theirs to ask for the slots.
        enableOfflineQueue: false,
        clusterRetryStrategy: reconnectDelayMs,
        clusterNodeRetryStrategy: reconnectDelayMs,
        slotsRefreshInterval: SLOTS_REFRESH_MS,
        slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
        maxRedirections: REDIRECTIONS_LIMIT,
        retryDelayOnFailover: REDIRECTION_DELAY_MS,
        retryDelayOnClusterDown: REDIRECTION_DELAY_MS,
        retryDelayOnTryAgain: REDIRECTION_DELAY_MS,
        redisOptions: options,
      })
    }
  }
}
