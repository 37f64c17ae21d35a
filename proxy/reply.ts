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
  readonly body: string | Buffer
}

/** What no field may hold: in latin1 `\u010a` would be a line end, too. */
const FORBIDDEN = /[^\t -~\x80-\xff]/

/**
 * Sets a field in `headers`, in the place of all that are called so there, in whatever case.
 *
 * @throws Error where the value could not be sent as it is: it would end the field, or the head
 */
export const setHeader = (headers: string[], name: string, value: string): void => {
  if (FORBIDDEN.test(value)) throw new Error(`a value of ${name} that no field can have: ${JSON.stringify(value)}`)
  const lowerName = name.toLowerCase()
  let isSet = false
  for (let index = 0; index < headers.length; index += 2) {
    const present = headers[index] as string
    if (present.length !== name.length || present.toLowerCase() !== lowerName) continue
    if (isSet) {
      headers.splice(index, 2)
      index -= 2
    } else headers[index + 1] = value
    isSet = true
  }
  if (!isSet) headers.push(name, value)
}

/** A head as it stands on the wire, for a reply after which the connection is no HTTP any more. */
export const rawHead = ({ status, statusText, headers }: ReplyHead): string =>
  `HTTP/1.1 ${status} ${statusText}\r\n${fieldLines(headers)}\r\n`
