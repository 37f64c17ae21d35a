/**
 * Error replies that tell of the server's state, and not of the command: another server, or the same one later, would
 * have answered it (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors).
 */
const STATES =
  /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|OOM|NOREPLICAS|NOAUTH|WRONGPASS|UNBLOCKED|MOVED|ASK|ERR max number of clients)/

/** Of what the client throws where Redis has answered with an error. By name: who never meets one needs no client. */
const REPLY_ERROR = 'ReplyError'

/** What code that is wrong throws. */
const DEFECTS = [TypeError, RangeError, ReferenceError, SyntaxError, URIError]

/**
 * Whether Redis could not be asked, or could not answer; else it has understood the command, and refused it, or the
 * caller's own code has failed.
 */
export const isOutage = (error: Error): boolean => {
  if (DEFECTS.some((defect) => error instanceof defect)) return false
  return error.name !== REPLY_ERROR || STATES.test(error.message)
}
