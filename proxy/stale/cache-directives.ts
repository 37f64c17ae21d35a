const DIRECTIVE = /\s*([!#$%&'*+.^_`|~\w-]+)(?:=(?:([!#$%&'*+.^_`|~\w-]+)|"((?:[^"\\]|\\.)*)"))?\s*(?:,|$)|\s*(?:,|$)/y

/**
 * The directives of `Cache-Control` (RFC 9111 §5.2), in lower case, with their arguments or ''. Of one that is there twice the
 * lesser counts.
 *
 * @returns undefined where it is malformed: nobody knows what was meant
 */
export const cacheDirectives = (value: string): ReadonlyMap<string, string> | undefined => {
  const directives = new Map<string, string>()
  DIRECTIVE.lastIndex = 0
  while (DIRECTIVE.lastIndex < value.length) {
    const found = DIRECTIVE.exec(value)
    if (found === null) return undefined
    const [, name, token, quoted] = found
    if (name === undefined) continue
    const argument = token ?? quoted?.replace(/\\(.)/g, '$1') ?? ''
    const key = name.toLowerCase()
    const before = directives.get(key)
    directives.set(key, before === undefined || Number(argument) < Number(before) ? argument : before)
  }
  return directives
}
