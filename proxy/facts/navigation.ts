import { fieldValue, joinedFieldValue } from '../headers.ts'

/** What a browser says of where a request comes from (Fetch Metadata), and of where it is going. */
type RawHeaders = readonly string[]

const NAVIGATING_METHODS = new Set(['GET', 'HEAD', 'POST'])

/** Whether a browser is going to show what comes back as a page. Browsers on plain http say less: `Accept` must do then. */
export const isNavigation = (method: string, rawHeaders: RawHeaders): boolean =>
  NAVIGATING_METHODS.has(method) &&
  (fieldValue(rawHeaders, 'sec-fetch-mode') ?? 'navigate') === 'navigate' &&
  joinedFieldValue(rawHeaders, 'accept').toLowerCase().includes('text/html')

/**
 * Whether a page of another origin makes this request, a sibling's included. Browsers say so; on plain http only by
 * `Origin`, which is there with every POST.
 */
export const isFromElsewhere = (rawHeaders: RawHeaders): boolean => {
  const site = fieldValue(rawHeaders, 'sec-fetch-site')
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const origin = fieldValue(rawHeaders, 'origin')
  return origin !== undefined && origin.replace(/^[a-z]+:\/\//, '') !== fieldValue(rawHeaders, 'host')
}

/** Whether it is known that a page of this very origin makes it. */
export const isFromHere = (rawHeaders: RawHeaders): boolean =>
  (fieldValue(rawHeaders, 'sec-fetch-site') === 'same-origin' || fieldValue(rawHeaders, 'origin') !== undefined) &&
  !isFromElsewhere(rawHeaders)
