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

/** Sets a field that may stand in `headers` once at most, whatever its case there. */
export const setHeader = (headers: string[], name: string, value: string): void => {
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

/** A head as it stands on the wire, for a socket that Node's HTTP has let go of. */
export const rawHead = ({ status, statusText, headers }: ReplyHead): string => {
  let raw = `HTTP/1.1 ${status} ${statusText}\r\n`
  for (let index = 0; index < headers.length; index += 2) raw += `${headers[index]}: ${headers[index + 1]}\r\n`
  return `${raw}\r\n`
}
