import type { Dice } from './generated-replies.ts'

const ODD_LINE_ENDS = ['\n', '\r', '\r\r', '\r\r\n', '\n\r', '', '\n\n', ' \r\n', '\t\r\n', '\x0b\r\n']
const BLANKS = [' ', ' ', ' ', '', '\t', '  ', ' \t ']

const lineEnd = (dice: Dice): string => (dice.below(300) === 0 ? dice.one(ODD_LINE_ENDS) : '\r\n')

const METHODS = [
  ...['GET', 'GET', 'POST', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND', 'M-SEARCH'],
  ...['QUERY', 'UNSUBSCRIBE', 'SOURCE', 'LINK'],
]
const ODD_METHODS = [
  ...[
    'CONNECT',
    'FOO',
    'get',
    'Get',
    'GETS',
    'GE',
    'G',
    'PRI',
    'SETUP',
    'GET_PARAMETER',
    "!#$%&'*+-.^_`|~",
    'X'.repeat(32),
  ],
  ...['X'.repeat(33), '', ' GET', 'GET\t', 'G\0T', 'G(T', 'G\xe9T', '"GET"', 'GET/', '\xef\xbb\xbfGET', '\x16\x03\x01'],
]
const TARGETS = [
  ...[
    '/',
    '/',
    '/a/b.c?d=e&f',
    '/%00%zz',
    '/a#b',
    '*',
    'http://a.example/b?c',
    'http://a.example',
    '/?',
    '//a',
    '/a;b=c',
  ],
  ...['http://[::1]:80/a', 'HTTPS://a.example:443/?#', '/{}|\\^`<>"', `/${'a'.repeat(900)}`, 'http://u:p@a.example/'],
]
const ODD_TARGETS = [
  ...[
    '/a b',
    '/\t',
    '/a\0',
    '/\xff',
    '/gr\xfc\xdfe',
    '/\x0c',
    '/\x7f',
    'a',
    '?a',
    '#a',
    '',
    'http:',
    'http:/',
    'http://',
    'a:1',
  ],
  ...[
    'a.example:443',
    'http:///a',
    '%2f',
    '**',
    'http://a\x01b/',
    'ftp://a/',
    'http://a@b@c/',
    '1://a/',
    '/a\rb',
    '/a\nb',
  ],
]
const VERSIONS = [
  ...[
    'HTTP/0.9',
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/1',
    'HTTP/1.',
    'HTTP/11',
    'HTTP/1.10',
    'HTTP/01.1',
    'HTTP/3.1',
    'HTTP/9.9',
  ],
  ...[
    'http/1.1',
    'HTTPS/1.1',
    'HTTP /1.1',
    'HTTP/1.1x',
    'ICE/1.0',
    'RTSP/1.0',
    '',
    '\x16\x03\x01',
    'HTP/1.1',
    'HTTP/1,1',
  ],
  ...['HTTP/1.\xb2', 'HTTP/1.1 HTTP/1.1', 'HTTP/-1.1', 'HTTP/1.1 ', 'HTTP/0.0'],
]

const requestLine = (dice: Dice): string => {
  if (dice.below(400) === 0) return `${dice.one(['GET /', 'GET', 'POST /a ', 'GET / '])}${lineEnd(dice)}`
  const method = dice.percent(3) ? dice.one(ODD_METHODS) : dice.one(METHODS)
  const target = dice.percent(3) ? dice.one(ODD_TARGETS) : dice.one(TARGETS)
  const version = dice.percent(2) ? dice.one(VERSIONS) : dice.percent(10) ? 'HTTP/1.0' : 'HTTP/1.1'
  const blank = () =>
    dice.below(250) === 0 ? dice.one(['', '  ', '\t', ' \t', '\x0b', '\r\n', '\xa0', '\r', '\n']) : ' '
  return `${method}${blank()}${target}${blank()}${version}${lineEnd(dice)}`
}

const NAMES = [
  'X-A',
  'x-b',
  'Accept',
  'User-Agent',
  'a',
  "!#$%&'*+-.^_`|~09",
  'Content-Lengt',
  'Transfer-Encodings',
  'TE',
]
const ODD_NAMES = [
  ...[
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
    '\x0bX',
  ],
]
const VALUES = [
  ...['', ' ', ' \t ', 'b', ' b', '\tb\t', ' b c ', ' b:c', ' gr\xfc\xdfe', ' "\\""', ' \xff\x80', ' a,b , c'],
  ` ${'long '.repeat(600)}`,
]
const ODD_VALUES = [
  ...[
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
  ],
  ...[' a\nContent-Length: 3', ' a\rTransfer-Encoding: chunked', ' a\r\n\r\n'],
]
/** What a connection is told, which a reader of requests has no use for, and llhttp heeds. */
const CONNECTION = [
  ...['Connection: close', 'Connection: keep-alive', 'connection: Close, x', 'Connection:', 'Expect: 100-continue'],
  ...['Connection: Upgrade\r\nUpgrade: websocket', 'Upgrade: h2c', 'Connection: Content-Length, Transfer-Encoding'],
  ...['Proxy-Connection: close', 'Keep-Alive: timeout=5'],
]

const field = (dice: Dice): string => {
  if (dice.percent(15)) return dice.one(CONNECTION) + lineEnd(dice)
  const name = dice.below(80) === 0 ? dice.one(ODD_NAMES) : dice.one(NAMES)
  const colon = dice.below(300) === 0 ? dice.one(['', '::', ' :', '=', '\t:']) : ':'
  return `${name}${colon}${dice.below(60) === 0 ? dice.one(ODD_VALUES) : dice.one(VALUES)}${lineEnd(dice)}`
}

const fields = (dice: Dice, most: number): string => {
  let lines = ''
  for (let count = dice.below(most + 1); count > 0; count--) lines += field(dice)
  return lines
}

/** Those that a reader who loses its place would take for a request, or for the end of one. */
const BODIES = [
  ...['', 'a', 'hello', '\r\n', '\r\n\r\n', '0\r\n\r\n', '\0\xff\r', '5\r\nhello\r\n0\r\n\r\n', 'b'.repeat(500)],
  'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
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
    '5\x0b',
    '"5"',
    '5_0',
  ],
  ...['9007199254740991', '9007199254740992', '18446744073709551615', '18446744073709551616', '9'.repeat(40)],
]
const CODINGS = [
  ...['gzip', 'chunked, gzip', 'gzip, chunked', 'identity', 'chunked, chunked', 'chunked;a=b', 'xchunked', 'chunkedx'],
  ...[
    '',
    ',chunked',
    'chunked,',
    '"chunked"',
    'chun ked',
    'chunked\x01',
    'gzip,\tchunked',
    'CHUNKED, identity',
    'chunke',
  ],
  ...['\x0bchunked', 'chunked\x0c', '\xa0chunked', 'chunked\0', 'identity, chunked', 'chunked\r\n x', '\r\n chunked'],
]
const TE_NAMES = ['Transfer-Encoding', 'Transfer-Encoding', 'transfer-encoding', 'TRANSFER-ENCODING']
const CL_NAMES = ['Content-Length', 'Content-Length', 'content-length', 'CONTENT-LENGTH']
const ODD_FRAMING_NAMES = [
  ...['Transfer-Encoding ', 'Transfer-Encoding\t', ' Transfer-Encoding', 'Transfer_Encoding', 'Transfer-Encoding\0'],
  ...[
    'Content-Length ',
    'Content-Length\x0b',
    '\tContent-Length',
    'Content_Length',
    'X: y\nTransfer-Encoding',
    '\0Content-Length',
  ],
]

const framingField = (dice: Dice, names: readonly string[], value: string): string => {
  const name = dice.below(100) === 0 ? dice.one(ODD_FRAMING_NAMES) : dice.one(names)
  return `${name}:${dice.one(BLANKS)}${value}${dice.percent(6) ? dice.one(BLANKS) : ''}${lineEnd(dice)}`
}

const EXTENSIONS = [
  ';a',
  ';a=b',
  ';a="b"',
  ';a="b c;\\"d\\\\"',
  ';a;b=c;d',
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
    ';a;',
    ';a=b;',
    ';a="b";',
    ';a="b" ',
    ';\xe9',
    ';a=\xe9',
    ';a="\0"',
    ';a="\r\n"',
    ';a\n',
    ';\n',
  ],
]
const ODD_SIZES = [
  ...[
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
  ],
  ...['f'.repeat(16), 'f'.repeat(17), `1${'0'.repeat(40)}`, '0_0', '\x0b5', '5\x0c'],
]

const chunk = (dice: Dice, data: string): string => {
  let size = data.length.toString(16)
  if (dice.percent(20)) size = size.toUpperCase()
  if (dice.percent(15)) size = '0'.repeat(dice.one([1, 1, 3, 11, 12, 16, 30])) + size
  if (dice.below(100) === 0) size = dice.one(ODD_SIZES)
  let extension = ''
  if (dice.percent(15)) extension = dice.one(EXTENSIONS)
  if (dice.below(80) === 0) extension = dice.one(ODD_EXTENSIONS)
  const end = dice.below(120) === 0 ? dice.one(['', '\n', '\r', '\r\n\r\n', 'x\r\n', '\r\r\n', ' \r\n', 'ab']) : '\r\n'
  return `${size}${extension}${lineEnd(dice)}${data}${data === '' ? '' : end}`
}

const chunks = (dice: Dice): string => {
  let bytes = ''
  for (let count = dice.below(4); count > 0; count--) bytes += chunk(dice, dice.one(BODIES.slice(1)))
  bytes += chunk(dice, '')
  const trailers = dice.percent(25) ? fields(dice, 3) : ''
  const framing = dice.percent(2) ? framingField(dice, CL_NAMES, '3') + framingField(dice, TE_NAMES, 'chunked') : ''
  return `${bytes}${trailers}${framing}${lineEnd(dice)}`
}

/** What a request says of its body's end, rightly or wrongly, and the body. */
const framed = (dice: Dice): readonly [lines: string, body: string] => {
  const body = dice.one(BODIES)
  const length = dice.percent(10) ? String(body.length).padStart(dice.one([2, 5, 20, 40]), '0') : String(body.length)
  const lengthField = (value: string) => framingField(dice, CL_NAMES, value)
  const codingField = (value: string) => framingField(dice, TE_NAMES, value)
  const kind = dice.below(200)
  if (kind < 60) return ['', '']
  if (kind < 110) return [lengthField(length), body]
  if (kind < 170) return [codingField(dice.one(['chunked', 'chunked', 'Chunked', 'CHUNKED'])), chunks(dice)]
  if (kind < 174) return ['', body]
  if (kind < 180) return [lengthField(String(Math.max(0, body.length + dice.one([-2, -1, 1, 2, 300])))), body]
  if (kind < 184) return [lengthField(dice.one(LENGTHS)), body]
  if (kind < 186) return [lengthField(length) + lengthField(dice.one([length, '5'])), body]
  if (kind < 191) return [codingField(dice.one(CODINGS)), dice.percent(70) ? chunks(dice) : body]
  if (kind < 193) return [codingField('chunked') + codingField(dice.one(['chunked', 'gzip', 'identity'])), chunks(dice)]
  if (kind < 195) return [codingField('gzip') + codingField('chunked'), chunks(dice)]
  if (kind < 198) return [codingField('chunked') + lengthField(length), chunks(dice)]
  return [lengthField(length) + codingField('chunked'), dice.percent(50) ? chunks(dice) : body]
}

const generatedRequest = (dice: Dice): string => {
  let bytes = dice.percent(5) ? '\r\n' : ''
  if (dice.below(150) === 0) bytes += dice.one(['\n', '\r', '\r\n\r\n', '\r\n\n', ' ', '\r\r\n', ' \r\n', '\0'])
  const [framing, body] = framed(dice)
  const lines = [`Host: a.example${lineEnd(dice)}`, fields(dice, 3), framing]
  return `${bytes}${requestLine(dice)}${(dice.percent(50) ? lines.reverse() : lines).join('')}${lineEnd(dice)}${body}`
}

const mutated = (dice: Dice, bytes: string): string => {
  const at = dice.below(bytes.length + 1)
  const octet = dice.percent(60)
    ? dice.one(['\r', '\n', '\r\n', ' ', '\t', ':', ',', ';', '0', '"', '\0', '\x7f', '\x0b', '\x0c'])
    : String.fromCharCode(dice.below(256))
  switch (dice.below(5)) {
    case 0:
      return bytes.slice(0, at) + octet + bytes.slice(at)
    case 1:
      return bytes.slice(0, at) + octet + bytes.slice(at + 1)
    case 2:
      return bytes.slice(0, at) + bytes.slice(at + 1 + dice.below(3))
    case 3:
      return bytes.slice(0, at + 40) + bytes.slice(at) // a stretch of it twice
    default:
      return bytes.slice(0, at)
  }
}

/** What a connection carries: one to three requests, one behind the other; more than half of them as they should be. */
export const generatedRequests = (dice: Dice): string => {
  let bytes = ''
  for (let count = dice.one([1, 1, 2, 2, 3]); count > 0; count--) bytes += generatedRequest(dice)
  while (dice.percent(12)) bytes = mutated(dice, bytes)
  return bytes
}

/** The same bytes, as they may come in reads. */
export const generatedReads = (dice: Dice, bytes: string): string[] => {
  if (dice.percent(3)) return [...bytes]
  const cuts = Array.from({ length: dice.one([0, 0, 1, 1, 2, 5]) }, () => dice.below(bytes.length + 1))
  cuts.sort((one, other) => one - other)
  return [0, ...cuts].map((at, index) => bytes.slice(at, cuts[index])).filter((piece) => piece !== '')
}
