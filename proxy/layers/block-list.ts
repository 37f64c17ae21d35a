import type { IpAddress } from '../facts/ip-address.ts'
import { PASS, type PolicyLayer } from '../layer.ts'
import { refusal } from '../refusal.ts'

/** The blocks that a request is held against. */
export interface EnforcedBlocks {
  readonly size: number
  isBlocked(address: IpAddress): boolean
}

/** Refuses who is blocked. What the policy says is never blocked (its allow-list, trusted proxies, this machine) passes all the same. */
export const blockList = (blocks: EnforcedBlocks): PolicyLayer => ({
  name: 'block-list',
  admit({ clientIp, policy }) {
    if (blocks.size === 0 || clientIp === undefined || !blocks.isBlocked(clientIp)) return PASS
    return policy.neverBlocked.has(clientIp) ? PASS : refusal('blocked')
  },
})
