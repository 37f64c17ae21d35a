import { COLON, CR, IS_TOKEN, IS_VALUE, LF, SPACE, TAB } from './characters.ts'
import { MalformedMessage } from './malformed.ts'

/**
 * Reads the field lines in `text` from `start` to `end`, each with its CRLF, as names and values in turn
 * (RFC 9112 §5). A line folded onto the next is malformed, as is a blank before the colon.
 *
 * @param text latin1, so that an octet is a character
 * @param octets the same, where it is still there: octets are looked at in half the time that characters take
 * @param offset where in them `text` begins
 * @throws MalformedMessage
 */
export const parseFields = (
  text: string,
  start: number,
  end: number,
  octets: Uint8Array = Buffer.from(text, 'latin1'),
  offset = 0,
): string[] => {
  const fields: string[] = []
  const last = end + offset
  let at = start + offset
  while (at < last) {
    const nameStart = at
    let octet = octets[at] as number
    while (IS_TOKEN[octet] === 1) octet = octets[++at] as number
    if (at === nameStart) throw new MalformedMessage('a field line that begins with no name')
    if (octet !== COLON) throw new MalformedMessage('a field name with a character that no name has')
    const name = text.slice(nameStart - offset, at - offset)
    octet = octets[++at] as number
    while (octet === SPACE || octet === TAB) octet = octets[++at] as number
    const valueStart = at
    while (IS_VALUE[octet] === 1) octet = octets[++at] as number
    if (octet !== CR || octets[at + 1] !== LF) {
      throw new MalformedMessage(`a control character in the value of ${name}`)
    }
    let valueEnd = at
    while (valueEnd > valueStart && isBlank(octets[valueEnd - 1])) valueEnd--
    fields.push(name, text.slice(valueStart - offset, valueEnd - offset))
    at += 2
  }
  return fields
}

const isBlank = (octet: number | undefined): boolean => octet === SPACE || octet === TAB

/**
 * Whether a head that has not come whole yet can still become one: an LF without its CR, or a CR without its LF, is
 * waited on by nobody.
 */
export const hasStrayLineEnd = (partial: string): boolean => /\r(?!\n|$)|(?<!\r)\n/.test(partial)
