/** Header that says how many milliseconds are left for a request: from callers to the proxy, and on to the app. */
export const DEADLINE_HEADER = 'X-Request-Deadline-Ms'
/** The same as it is looked for. */
export const DEADLINE_FIELD = 'x-request-deadline-ms'

const WHOLE_MS = /^-?\d{1,12}$/

/**
 * @returns milliseconds that are left, zero or less where they are over; undefined where the text is none: whoever cannot
 *          be understood has set no deadline
 */
export const parseDeadlineMs = (text: string | undefined): number | undefined =>
  text !== undefined && WHOLE_MS.test(text) ? Number(text) : undefined
