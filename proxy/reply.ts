import { fieldLines } from './http1/field-lines.ts'

/** The head of a reply on its way up the pipeline. Layers edit it in place. */
export interface ReplyHead {
  status: number
  statusText: string
  /** Names and values in turn, as they are sent. */
  headers: string[]
}

/** A whole reply that a layer makes itself. */
export interface Reply {
  readonly head: ReplyHead
  readonly body: string
}

/** What no field may hold: in latin1 `\u010a` would be a line end, too. */
const FORBIDDEN = /[^\t -~\x80-\xff]/

/**
 * Sets a field that may stand in `headers` once at most, whatever its case there.
 *
 * @throws Error where the value could not be sent as it is: it would end the field, or the head
 */
export const setHeader = (headers: string[], name: string, value: string): void => {
  if (FORBIDDEN.test(value)) throw new Error(`a value of ${name} that no field can have: ${JSON.stringify(value)}`)
  const lowerName = name.toLowerCase()
  for (let index = 0; index < headers.length; index += 2) {
    const present = headers[index] as string
    if (present.length === name.length && present.toLowerCase() === lowerName) {
      headers[index + 1] = value
      return
    }
  }
  headers.push(name, value)
}

/** A head as it stands on the wire, for a reply after which the connection is no HTTP any more. */
export const rawHead = ({ status, statusText, headers }: ReplyHead): string =>
  `HTTP/1.1 ${status} ${statusText}\r\n${fieldLines(headers)}\r\n`
