/** Fields as they stand on the wire, each with its CRLF. They are as a strict parser read them, or our own. */
export const fieldLines = (fields: readonly string[]): string => {
  let lines = ''
  for (let index = 0; index < fields.length; index += 2) lines += `${fields[index]}: ${fields[index + 1]}\r\n`
  return lines
}
