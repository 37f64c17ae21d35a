import { callCdn } from './cdn-call.ts'
import type { CdnProvider, PurgeBatch } from './cdn-provider.ts'
import { urlParts } from './purge-order.ts'

const API = 'https://api.fastly.com'
/** Keys of one call. */
const KEYS_LIMIT = 256

/** Fastly: by surrogate key, many at once; by URL, one at a time; or all of a service, which is never soft. */
export const fastly: CdnProvider = {
  valuesPerCall: (kind, { valuesPerCall }) => (kind === 'tag' ? Math.min(valuesPerCall, KEYS_LIMIT) : 1),
  problemOf(kind, values) {
    if (kind === 'prefix') return 'Fastly purges no prefixes: give the routes a tag (cache.tags), and purge that.'
    if (kind === 'tag' && !values.every((value) => /^[\x21-\x7e]+$/.test(value)))
      return 'Fastly knows no tags but of ASCII.'
    if (kind === 'url' && values.some((value) => urlParts(value) === undefined)) return 'This is no URL of a page.'
    return undefined
  },
  async send(batch, { target = '', url = API }, token) {
    const error = this.problemOf(batch.kind, batch.values) // the policy may have named another CDN when it was accepted
    if (error !== undefined) return { kind: 'refused', error }
    const headers = {
      'Fastly-Key': token,
      Accept: 'application/json',
      ...(batch.isSoft && { 'Fastly-Soft-Purge': '1' }),
    }
    const service = `${url}/service/${encodeURIComponent(target)}`
    return callCdn({ url: urlOf(batch, url, service), headers: { ...headers, ...keysOf(batch) } })
  },
}

const urlOf = ({ kind, values: [value = ''] }: PurgeBatch, api: string, service: string): string => {
  if (kind === 'everything') return `${service}/purge_all`
  if (kind === 'tag') return `${service}/purge`
  const { host = '', pathAndQuery = '' } = urlParts(value) ?? {}
  return `${api}/purge/${host}${pathAndQuery}`
}

const keysOf = ({ kind, values }: PurgeBatch): Readonly<Record<string, string>> =>
  kind === 'tag' ? { 'Surrogate-Key': values.join(' ') } : {}
