/** What a purge is of: `url` and `prefix` are absolute URLs. */
export type PurgeKind = 'url' | 'tag' | 'prefix' | 'everything'

/** A purge that has been accepted: it is carried out, whatever restarts meanwhile. */
export interface PurgeOrder {
  readonly id: string
  readonly kind: PurgeKind
  /** None for `everything`. */
  readonly values: readonly string[]
  /** What is purged may still be served while it is fetched anew, or cannot be, where the CDN knows of that. */
  readonly isSoft: boolean
  readonly author: string
  /** ISO 8601. */
  readonly at: string
}

/**
 * What has become of a purge at the CDN:
 *
 *     waiting ──▶ delivered
 *        │  ▲
 *        ▼  │ after a pause, longer each time
 *     retrying ──▶ failed   the CDN refuses it for good, or has for a day
 *
 *     local                 there is no CDN to tell
 */
type DeliveryState = 'waiting' | 'retrying' | 'delivered' | 'failed' | 'local'

export interface Delivery {
  readonly state: DeliveryState
  readonly attempts: number
  /** ISO 8601: of the last change. */
  readonly at: string
  /** Why it has not been delivered, where it was tried. */
  readonly error?: string
}

/** What is known of a purge. */
export interface PurgeReport {
  readonly order: PurgeOrder
  readonly delivery: Delivery
  /** Proxies that serve nothing of it any more, and how many there are. */
  readonly instances: { readonly purged: number; readonly of: number }
}

const URL_PARTS = /^https?:\/\/([^/?#]+)([^#]*)$/i

/** Dots that a client resolves before it sends them, and what it takes for a slash: within the path of an API they lead out of it. */
const LEADS_ELSEWHERE = /\\|\/(?:\.|%2e){1,2}(?:\/|$)/i

/** The host and the rest of an absolute URL, as they stand there; undefined where it is none. */
export const urlParts = (url: string): { readonly host: string; readonly pathAndQuery: string } | undefined => {
  const [, host, rest = ''] = URL_PARTS.exec(url) ?? []
  if (host === undefined || LEADS_ELSEWHERE.test(`/${host}${rest.replace(/\?.*$/, '')}`) || host.includes('@'))
    return undefined
  return { host: host.toLowerCase(), pathAndQuery: rest.startsWith('/') ? rest : `/${rest}` }
}
