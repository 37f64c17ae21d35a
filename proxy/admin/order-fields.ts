import { z } from 'zod'

/** What an operator says with an order. */
const REASON_MEANING = 'expected a reason of at most 500 characters'
const SECONDS_MEANING = 'expected how long it is to hold, as a whole number of seconds from 1 to 2592000'

export const orderReason = z.string(REASON_MEANING).min(1, REASON_MEANING).max(500, REASON_MEANING).optional()

export const orderSeconds = z.int(SECONDS_MEANING).min(1, SECONDS_MEANING).max(2_592_000, SECONDS_MEANING).optional()
