import { callCdn } from './cdn-call.ts'
import type { CdnProvider } from './cdn-provider.ts'
import type { PurgeKind } from './purge-order.ts'

const API = 'https://api.cloudflare.com/client/v4'

const MEMBERS: { readonly [Kind in Exclude<PurgeKind, 'everything'>]: string } = {
  url: 'files',
  tag: 'tags',
  prefix: 'prefixes',
}

/** Cloudflare: POST /zones/:zone/purge_cache. It knows no soft purge: what is purged is gone. */
export const cloudflare: CdnProvider = {
  valuesPerCall: (_kind, { valuesPerCall }) => valuesPerCall,
  problemOf: () => undefined,
  send({ kind, values }, { target = '', url = API }, token) {
    // Prefixes are of a host and a path, without a scheme.
    const told = kind === 'prefix' ? values.map((value) => value.replace(/^https?:\/\//i, '')) : values
    const body = kind === 'everything' ? { purge_everything: true } : { [MEMBERS[kind]]: told }
    return callCdn(
      {
        url: `${url}/zones/${encodeURIComponent(target)}/purge_cache`,
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      },
      isSuccess,
    )
  },
}

const isSuccess = (text: string): boolean => {
  try {
    return (JSON.parse(text) as { success?: unknown } | null)?.success === true
  } catch {
    return false // what is no JSON is no success
  }
}
