import { COLON, CR, IS_TOKEN, IS_VALUE, LF, SPACE, TAB } from './characters.ts'
import { MalformedMessage } from './malformed.ts'

/**
 * Reads the field lines in `text` from `start` to `end`, each with its CRLF, as names and values in turn
 * (RFC 9112 §5). A line folded onto the next is malformed, as is a blank before the colon.
 *
 * @param text latin1, so that an octet is a character
 * @throws MalformedMessage
 */
export const parseFields = (text: string, start: number, end: number): string[] => {
  const fields: string[] = []
  let at = start
  while (at < end) {
    const nameStart = at
    let code = text.charCodeAt(at)
    while (IS_TOKEN[code] === 1) code = text.charCodeAt(++at)
    if (at === nameStart) throw new MalformedMessage('a field line that begins with no name')
    if (code !== COLON) throw new MalformedMessage('a field name with a character that no name has')
    const name = text.slice(nameStart, at)
    code = text.charCodeAt(++at)
    while (code === SPACE || code === TAB) code = text.charCodeAt(++at)
    const valueStart = at
    while (IS_VALUE[code] === 1) code = text.charCodeAt(++at)
    if (code !== CR || text.charCodeAt(at + 1) !== LF) {
      throw new MalformedMessage(`a control character in the value of ${name}`)
    }
    let valueEnd = at
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--
    fields.push(name, text.slice(valueStart, valueEnd))
    at += 2
  }
  return fields
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB

/**
 * Whether a head that has not come whole yet can still become one: an LF without its CR, or a CR without its LF, is
 * waited on by nobody.
 */
export const hasStrayLineEnd = (partial: string): boolean => /\r(?!\n|$)|(?<!\r)\n/.test(partial)
