/** The end of a chunked body, with its trailer section (RFC 9112 §7.1.2). */
export const lastChunk = (trailers: readonly string[]): string => {
  let text = '0\r\n'
  for (let index = 0; index < trailers.length; index += 2) text += `${trailers[index]}: ${trailers[index + 1]}\r\n`
  return `${text}\r\n`
}
