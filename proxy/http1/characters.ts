/** Which octets may stand where (RFC 9110 §5.5, §5.6.2), as tables that are asked by octet. */

const table = (has: (octet: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, octet) => (has(octet) ? 1 : 0))

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a

/** `tchar`: names of fields, methods, tokens. */
export const IS_TOKEN = table((octet) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(octet)))

/** What a field's value may hold: visible characters, blanks, and octets above ASCII (`obs-text`). */
export const IS_VALUE = table((octet) => octet === TAB || (octet >= SPACE && octet !== 0x7f))

/** What a request target may hold: all that is visible in ASCII. What of it a URI may not is the app's to say. */
export const IS_TARGET = table((octet) => octet > SPACE && octet < 0x7f)

/** The value of a hexadecimal digit; 255 for what is none. */
export const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, octet) => {
  const digit = Number.parseInt(String.fromCharCode(octet), 16)
  return Number.isNaN(digit) ? 255 : digit
})
