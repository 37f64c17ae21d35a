/** A request's head as it stands on the wire. The fields are as a strict parser read them, or our own. */
export const requestHead = (method: string, target: string, headers: readonly string[]): string => {
  let head = `${method} ${target} HTTP/1.1\r\n`
  for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`
  return `${head}\r\n`
}
