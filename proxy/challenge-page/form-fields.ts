/** A form that was interrupted, such that a browser sends the same bytes again. */
export interface InterruptedForm {
  /** What the form must be sent in, so that its bytes are the same. */
  readonly charset: 'utf-8' | 'windows-1252'
  /** In the order in which they came; names may come twice. */
  readonly fields: readonly (readonly [name: string, value: string])[]
}

/** PHP reads no more, and a page of many more would be a large answer to a small question. */
const FIELDS_LIMIT = 1_000

/**
 * Reads a body of `application/x-www-form-urlencoded` for it to be sent again out of hidden fields. Undefined where a
 * browser would then send other bytes, in any way: to send what was not meant is worse than to ask for it again. What
 * browsers have made themselves comes back as it was, unless in a charset other than these two.
 */
export const interruptedForm = (body: Buffer): InterruptedForm | undefined => {
  const text = body.toString('latin1')
  if (text === '') return { charset: 'utf-8', fields: [] }
  const pairs = text.split('&')
  if (pairs.length > FIELDS_LIMIT) return undefined
  const raw = pairs.map((pair) => {
    const equals = pair.indexOf('=')
    return equals === -1 ? [unescaped(pair), ''] : [unescaped(pair.slice(0, equals)), unescaped(pair.slice(equals + 1))]
  })
  for (const [charset, decode] of DECODERS) {
    const fields = raw.map(([name = '', value = '']) => [decode(name), decode(value)] as const)
    if (fields.some(([name, value]) => name === undefined || value === undefined)) continue
    const form = { charset, fields: fields as readonly (readonly [string, string])[] }
    if (asBrowsersSend(form, raw) === text) return form
  }
  return undefined
}

/** Bytes as latin1, of what is percent-encoded. */
const unescaped = (text: string): string =>
  text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const decodeUtf8 = (bytes: string): string | undefined => {
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return undefined // the next charset is tried
  }
}

/** 0x80 to 0x9f in windows-1252, of which every byte is a character (WHATWG Encoding §9). */
const HIGH_CONTROLS =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178'

const decodeWindows1252 = (bytes: string): string =>
  bytes.replace(/[\x80-\x9f]/g, (byte) => HIGH_CONTROLS[byte.charCodeAt(0) - 0x80] as string)

const DECODERS = [
  ['utf-8', decodeUtf8],
  ['windows-1252', decodeWindows1252],
] as const

/**
 * What a browser makes of the hidden fields (HTML §4.10.21.4 and URL §5.2). Fields without a name are not sent, line
 * ends are made CRLF, U+0000 comes out of the parser as U+FFFD, and `_charset_` is filled in by the browser.
 */
const asBrowsersSend = ({ charset, fields }: InterruptedForm, raw: readonly (readonly string[])[]): string =>
  raw
    .map(([name = '', value = ''], index) => {
      const [nameText] = fields[index] as readonly [string, string]
      const sent = nameText.toLowerCase() === '_charset_' ? (charset === 'utf-8' ? 'UTF-8' : 'windows-1252') : value
      return name === '' ? undefined : `${escaped(name)}=${escaped(sent)}`.replaceAll('%00', '%EF%BF%BD')
    })
    .filter((pair) => pair !== undefined)
    .join('&')

const escaped = (bytes: string): string =>
  bytes
    .replace(/\r\n?|\n/g, '\r\n')
    .replace(/[^A-Za-z0-9*._-]/g, (byte) =>
      byte === ' ' ? '+' : `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
