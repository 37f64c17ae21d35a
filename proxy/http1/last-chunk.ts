import { fieldLines } from './field-lines.ts'

/** The end of a chunked body, with its trailer section (RFC 9112 §7.1.2). */
export const lastChunk = (trailers: readonly string[]): string => `0\r\n${fieldLines(trailers)}\r\n`
