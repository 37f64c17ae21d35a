import { fieldLines } from './field-lines.ts'

/** A request's head as it stands on the wire. */
export const requestHead = (method: string, target: string, headers: readonly string[]): string =>
  `${method} ${target} HTTP/1.1\r\n${fieldLines(headers)}\r\n`
