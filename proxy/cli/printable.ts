/** What moves a cursor, changes a colour, or reverses the order of what is read: never sent to a terminal as it is. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const UNSAFE_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** As JSON and YAML write them within quotes. */
const escaped = (characters: string): string =>
  Array.from(
    { length: characters.length },
    (_, index) => `\\u${characters.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('')

/** On one line, for a terminal. */
export const printable = (text: string): string => text.replace(UNSAFE, escaped)

/** The same, with its lines and tabs left as they are. */
export const printableLines = (text: string): string => text.replace(UNSAFE_IN_LINES, escaped)

/**
 * JSON that means the same, and is safe to look at.
 *
 * @param text valid JSON: what is unsafe stands within strings then, but for the carriage return, which is a blank
 */
export const printableJson = (text: string): string => printableLines(text.replaceAll('\r', '').trim())

/** Whether a text is not as it would be printed. */
export const isUnsafe = (text: string): boolean => text.search(UNSAFE) >= 0
