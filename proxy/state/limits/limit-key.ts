import { hash } from 'node:crypto'
import { addressPrefix } from '../../facts/address-prefix.ts'
import { cookieValue } from '../../facts/cookie.ts'
import { jwtSubject } from '../../facts/jwt-subject.ts'
import { soleFieldValue } from '../../headers.ts'
import type { Facts } from '../../layer.ts'
import type { CompiledRoute, LimitKey } from '../policy/compile.ts'

/** Begins a client's address where another key was expected: no value begins with it. */
const ADDRESS_MARK = '\0'
/** Begins a digest. */
const DIGEST_MARK = '\x01'
/** Values that are keys as they are. */
const PLAIN = /^[\x20-\xff]{1,256}$/

/**
 * Whose requests are counted together with this one; never long. Who does not
 * send what is asked for, or sends it in a way that can be read otherwise, counts by address: to leave it out is no way
 * round a limit.
 */
export const limitKey = (key: LimitKey, facts: Facts, route: CompiledRoute): string => {
  switch (key.by) {
    case 'client-address':
      return clientKey(facts)
    case 'route':
      return route.name
    case 'header':
      return valueKey(soleFieldValue(facts.request.rawHeaders, key.lowerName), facts)
    case 'cookie': {
      const field = soleFieldValue(facts.request.rawHeaders, 'cookie')
      return valueKey(field === undefined ? undefined : cookieValue(field, key.name), facts)
    }
    case 'jwt-subject': {
      const field = soleFieldValue(facts.request.rawHeaders, 'authorization')
      return valueKey(field === undefined ? undefined : jwtSubject(field), facts)
    }
  }
}

const valueKey = (value: string | undefined, facts: Facts): string => {
  if (value === undefined || value === '') return `${ADDRESS_MARK}${clientKey(facts)}`
  return PLAIN.test(value) ? value : `${DIGEST_MARK}${hash('sha256', value, 'base64url')}`
}

const clientKey = ({ clientAddress, policy }: Facts): string =>
  addressPrefix(clientAddress, policy.policy.trustedProxies.ipv6PrefixBits)
