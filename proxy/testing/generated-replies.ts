import type { Delivery } from './reading.ts'

/** Numbers that look random and are told by the seed. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0
  }

  /** From 0 to below `count`. */
  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * count)
  }

  percent(share: number): boolean {
    return this.below(100) < share
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T
  }
}

const LONG = 'long '.repeat(800)

const STATUSES = ['200', '200', '201', '204', '206', '302', '304', '404', '418', '500', '503', '599', '799', '999']
const ODD_STATUSES = ['000', '099', '042', '20', '2000', '2 0', '20x', '+20', '-20', '0x1', '1e2', '', '\xb2\xb2\xb2']
const VERSIONS = [
  'HTTP/0.9',
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/1',
  'HTTP/1.',
  'HTTP/11',
  'HTTP/1.10',
  'HTTP/01.1',
  'HTTP/3.1',
]
const PROTOCOLS = [
  'http/1.1',
  'HTTPS/1.1',
  'HTTP /1.1',
  'HTTP/1.1\t',
  ' HTTP/1.1',
  'ICY',
  'RTSP/1.0',
  '',
  '\x16\x03\x01',
  'HTP/1.1',
]
const REASONS = [' OK', ' OK', ' OK', ' ', '', ' Not Found', ' a  b ', ' gr\xfc\xdfe', ' \t', '  OK', ` ${LONG}`]
const ODD_REASONS = [' O\x01K', ' O\0K', ' O\x7fK', ' O\rK', ' O\nK', '\tOK', 'OK', ' \x1b[31m', '  \r', ' OK\x0b']

const statusLine = (dice: Dice, status: string): string => {
  const version = dice.percent(3)
    ? dice.one(dice.percent(60) ? VERSIONS : PROTOCOLS)
    : dice.percent(12)
      ? 'HTTP/1.0'
      : 'HTTP/1.1'
  const blank = dice.percent(1) ? dice.one(['', '  ', '\t', '\r\n']) : ' '
  const reason = dice.percent(4) ? dice.one(ODD_REASONS) : dice.one(REASONS)
  return `${version}${blank}${dice.percent(4) ? dice.one(ODD_STATUSES) : status}${reason}${lineEnd(dice)}`
}

const lineEnd = (dice: Dice): string =>
  dice.below(250) === 0 ? dice.one(['\n', '\r', '\r\r', '\r\r\n', '\n\r', '', '\n\n']) : '\r\n'

const NAMES = [
  'Server',
  'X-A',
  'x-b',
  'ETag',
  'Set-Cookie',
  'Date',
  'a',
  "!#$%&'*+-.^_`|~09",
  'Content-Lengt',
  'Upgrades',
]
const ODD_NAMES = [
  '',
  ' ',
  'X A',
  'X-A ',
  ' X-A',
  'X\0A',
  'X(A)',
  'X\x7f',
  'X\xe9',
  'X\tA',
  'X/A',
  '"X"',
  'X\rA',
  'X\nA',
  'X-A\t',
]
const VALUES = [
  '',
  ' ',
  ' \t ',
  'b',
  ' b',
  '\tb\t',
  ' b c ',
  ' b:c',
  ' gr\xfc\xdfe',
  ' "\\""',
  ' \xff\x80',
  ` ${LONG}`,
  ' a,b , c',
]
const ODD_VALUES = [
  '\0',
  ' a\0b',
  ' a\x01',
  ' a\x7fb',
  ' a\rb',
  ' a\nb',
  ' a\r',
  ' \x1b',
  ' a\r\n b',
  ' a\r\n\tb',
  '\r\n b',
  ' a\x0bb',
]
/** What the connection is told, which a reader of one reply has no use for, and llhttp heeds. */
const CONNECTION = [
  ...['Connection: close', 'Connection: keep-alive', 'connection: Close, x', 'Connection: upgrade', 'Connection:'],
  ...['Keep-Alive: timeout=5', 'Upgrade: websocket', 'Proxy-Connection: close', 'Connection: keep-alive, close'],
]

const field = (dice: Dice): string => {
  if (dice.percent(8)) return dice.one(CONNECTION) + lineEnd(dice)
  const name = dice.below(60) === 0 ? dice.one(ODD_NAMES) : dice.one(NAMES)
  const colon = dice.below(300) === 0 ? dice.one(['', '::', ' :', '=']) : ':'
  return `${name}${colon}${dice.below(40) === 0 ? dice.one(ODD_VALUES) : dice.one(VALUES)}${lineEnd(dice)}`
}

const fields = (dice: Dice, most: number): string => {
  let lines = ''
  for (let count = dice.below(most + 1); count > 0; count--) lines += field(dice)
  return lines
}

const BODIES = [
  '',
  'a',
  'hello',
  'hello world',
  '\r\n',
  '0\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\n',
  '\0\xff\r',
  'b'.repeat(700),
]
const LENGTHS = [
  ...[
    '-1',
    '+5',
    '0x5',
    '5 5',
    '5,5',
    '5, 5',
    '',
    ' ',
    '\t',
    '5.0',
    '1e1',
    'five',
    '\xb2',
    '5;',
    '5\0',
    '99999999999999',
  ],
  ...['9007199254740991', '9007199254740992', '18446744073709551615', '18446744073709551616', '9'.repeat(40)],
]
const CODINGS = [
  ...['gzip', 'chunked, gzip', 'gzip, chunked', 'identity', 'chunked, chunked', 'chunked;a=b', 'xchunked', 'chunkedx'],
  ...['', ',chunked', 'chunked,', '"chunked"', 'chun ked', 'chunked\x01', 'gzip,\tchunked', 'CHUNKED, identity'],
]
const TE_NAMES = ['Transfer-Encoding', 'Transfer-Encoding', 'transfer-encoding', 'TRANSFER-ENCODING']
const CL_NAMES = ['Content-Length', 'Content-Length', 'content-length', 'CONTENT-LENGTH']
const BLANKS = [' ', ' ', ' ', '', '\t', '  ', ' \t ']

const lengthField = (dice: Dice, value: string): string =>
  `${dice.one(CL_NAMES)}:${dice.one(BLANKS)}${value}${dice.percent(6) ? dice.one(BLANKS) : ''}${lineEnd(dice)}`

const codingField = (dice: Dice, value: string): string =>
  `${dice.one(TE_NAMES)}:${dice.one(BLANKS)}${value}${dice.percent(6) ? dice.one(BLANKS) : ''}${lineEnd(dice)}`

const EXTENSIONS = [
  ';a',
  ';a=b',
  ';a="b"',
  ';a="b c;\\"d\\\\"',
  ';a;b=c;d',
  ";!#$%&'*+-.^_`|~=x",
  ';a=""',
  `;a="${'q'.repeat(300)}"`,
  ';a="\xe9\t"',
]
const ODD_EXTENSIONS = [
  ...[
    ';',
    ';;',
    ';=',
    ';=b',
    ';a=',
    ';a="b',
    ';a="b"c',
    ';a=b c',
    '; a',
    ' ;a',
    ';a =b',
    ';a= b',
    ';a\x01',
    ';a="\x01"',
  ],
  ...[
    ';a="\\',
    ' ',
    '\t',
    '  ',
    ';a="b\\\x01"',
    ';a;',
    ';a=b;',
    ';a="b";',
    ';a="b" ',
    ';\xe9',
    ';a=\xe9',
    ';a="\0"',
    ';a="\x7f"',
    ';a="\r\n"',
  ],
]
const ODD_SIZES = [
  '',
  ' 5',
  '-5',
  '+5',
  '0x5',
  'g',
  '5 ',
  '5_',
  '\xb2',
  '5\0',
  'ffffffffffff',
  'fffffffffffff',
  '10000000000000000',
  'f'.repeat(16),
  'f'.repeat(17),
  `1${'0'.repeat(40)}`,
]

const chunk = (dice: Dice, data: string): string => {
  let size = data.length.toString(16)
  if (dice.percent(20)) size = size.toUpperCase()
  if (dice.percent(15)) size = '0'.repeat(dice.one([1, 1, 3, 11, 12, 16, 30])) + size
  if (dice.below(70) === 0) size = dice.one(ODD_SIZES)
  let extension = ''
  if (dice.percent(15)) extension = dice.one(EXTENSIONS)
  if (dice.below(50) === 0) extension = dice.one(ODD_EXTENSIONS)
  const end = dice.below(80) === 0 ? dice.one(['', '\n', '\r', '\r\n\r\n', 'x\r\n', '\r\r\n']) : '\r\n'
  return `${size}${extension}${lineEnd(dice)}${data}${data === '' ? '' : end}`
}

const chunks = (dice: Dice): string => {
  let bytes = ''
  for (let count = dice.below(4); count > 0; count--) bytes += chunk(dice, dice.one(BODIES.slice(1)))
  bytes += chunk(dice, '')
  const trailers = dice.percent(30) ? fields(dice, 3) : ''
  const framing = dice.percent(2) ? lengthField(dice, '3') + codingField(dice, 'chunked') : ''
  return `${bytes}${trailers}${framing}${lineEnd(dice)}`
}

/** What a reply says of its body's end, rightly or wrongly, and the body. */
const framed = (dice: Dice): readonly [lines: string, body: string] => {
  const body = dice.one(BODIES)
  const length = dice.percent(10) ? String(body.length).padStart(dice.one([2, 5, 20, 40]), '0') : String(body.length)
  const kind = dice.below(100)
  if (kind < 35) return [lengthField(dice, length), body]
  if (kind < 75) return [codingField(dice, dice.one(['chunked', 'chunked', 'Chunked', 'CHUNKED'])), chunks(dice)]
  if (kind < 85) return ['', body]
  if (kind < 89) return [lengthField(dice, String(body.length + dice.one([-2, -1, 1, 2, 300]))), body]
  if (kind < 92) return [lengthField(dice, dice.one(LENGTHS)), body]
  if (kind < 93) return [lengthField(dice, length) + lengthField(dice, length), body]
  if (kind < 94) return [lengthField(dice, length) + lengthField(dice, '5'), body]
  if (kind < 97) return [codingField(dice, dice.one(CODINGS)), dice.percent(70) ? chunks(dice) : body]
  if (kind < 98) return [codingField(dice, 'chunked') + codingField(dice, dice.one(['chunked', 'gzip'])), chunks(dice)]
  if (kind < 99) return [codingField(dice, 'chunked') + lengthField(dice, length), chunks(dice)]
  return [lengthField(dice, length) + codingField(dice, 'chunked'), chunks(dice)]
}

const INFORMATIONAL = ['100', '100', '102', '103', '103', '101', '199']

const mutated = (dice: Dice, bytes: string): string => {
  const at = dice.below(bytes.length + 1)
  const octet = dice.percent(50)
    ? dice.one(['\r', '\n', ' ', '\t', ':', ',', ';', '0', '"', '\0', '\x7f'])
    : String.fromCharCode(dice.below(256))
  switch (dice.below(4)) {
    case 0:
      return bytes.slice(0, at) + octet + bytes.slice(at)
    case 1:
      return bytes.slice(0, at) + octet + bytes.slice(at + 1)
    case 2:
      return bytes.slice(0, at) + bytes.slice(at + 1 + dice.below(3))
    default:
      return bytes.slice(0, at)
  }
}

const BEHIND = ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', '\r\n', 'x', '\0', '0\r\n\r\n']

/** The bytes of a reply, with whatever comes before and behind it: about half of them as they should be. */
const generatedReply = (dice: Dice): string => {
  let bytes = dice.below(200) === 0 ? dice.one(['\r\n', '\n', '\r', ' ', '\r\n\r\n', '\xef\xbb\xbf']) : ''
  while (dice.percent(8)) bytes += statusLine(dice, dice.one(INFORMATIONAL)) + fields(dice, 1) + lineEnd(dice)
  const [framingLines, body] = framed(dice)
  const lines = [fields(dice, 3), framingLines]
  bytes +=
    statusLine(dice, dice.one(STATUSES)) + (dice.percent(50) ? lines.reverse() : lines).join('') + lineEnd(dice) + body
  if (dice.percent(8)) bytes += dice.one(BEHIND)
  while (dice.percent(12)) bytes = mutated(dice, bytes)
  return bytes
}

const pieces = (dice: Dice, bytes: string): string[] => {
  if (dice.percent(3)) return [...bytes].slice(0, 2_000)
  const cuts = Array.from({ length: dice.one([0, 0, 1, 1, 2, 5]) }, () => dice.below(bytes.length + 1))
  cuts.sort((one, other) => one - other)
  return [0, ...cuts].map((at, index) => bytes.slice(at, cuts[index])).filter((piece) => piece !== '')
}

export const generatedDelivery = (dice: Dice): Delivery => ({
  pieces: pieces(dice, generatedReply(dice)),
  method: dice.percent(10) ? 'HEAD' : 'GET',
  isEnded: dice.percent(50),
})
