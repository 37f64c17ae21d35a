/** `Vary` (RFC 9110 §12.5.5): what of a request a cache must compare. Pure. */

const MEMBERS = /^[ \t,]*(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*(?:,[ \t,]*|$))*$/

const membersOf = (field: string): string[] =>
  field.split(',').flatMap((member) => (member.trim() === '' ? [] : [member.trim()]))

/** Whether no cache can tell for whom else a reply is: `*`, or what cannot be read. */
export const variesByAnything = (field: string): boolean =>
  !MEMBERS.test(field) || (field.includes('*') && membersOf(field).includes('*'))

/** @param lowerName of a request's field */
export const variesBy = (field: string, lowerName: string): boolean =>
  membersOf(field).some((member) => member.toLowerCase() === lowerName)

/**
 * The app's `Vary` with what a policy adds: the app's order and spelling first, nothing twice.
 *
 * @param field the app's, of several lines the joined value; empty where there is none
 * @param added in the order in which they are to stand
 */
export const mergedVary = (field: string, added: readonly string[]): string => {
  if (field !== '' && variesByAnything(field)) return '*'
  const names = new Map<string, string>()
  for (const member of [...membersOf(field), ...added]) {
    const lower = member.toLowerCase()
    if (!names.has(lower)) names.set(lower, member)
  }
  return names.has('*') ? '*' : [...names.values()].join(', ')
}
