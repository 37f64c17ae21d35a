let atSecond = 0
let text = ''

/** The time as in a `Date` field (RFC 9110 §5.6.7), made once a second. */
export const httpDate = (wallMs: number = Date.now()): string => {
  const second = Math.floor(wallMs / 1_000)
  if (second !== atSecond) {
    atSecond = second
    text = new Date(wallMs).toUTCString()
  }
  return text
}
