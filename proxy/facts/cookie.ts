/**
 * The value of a cookie in a `Cookie` field (RFC 6265 §4.2), as an app reads it: without quotes, and with its escapes
 * undone, so that one value cannot be spelled in many ways. Undefined where it is not there, or is there more than
 * once: which of them the app goes by, nobody can tell.
 *
 * @param name in the case in which it is sent
 */
export const cookieValue = (field: string, name: string): string | undefined => {
  let found: string | undefined
  for (const pair of field.split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue
    if (found !== undefined) return undefined
    found = pair.slice(equals + 1).trim()
  }
  return found === undefined ? undefined : unescaped(/^"(.*)"$/.exec(found)?.[1] ?? found)
}

const unescaped = (value: string): string => {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
