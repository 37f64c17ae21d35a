import type { IpAddress } from '../../facts/ip-address.ts'

/** An address in words of 32 bits, the first bits first: one of IPv4, four of IPv6. */
export const writeWords = (address: IpAddress, into: Int32Array): void => {
  if (typeof address === 'number') into[0] = address
  else for (let at = 0; at < 4; at++) into[at] = ((address[at * 2] as number) << 16) | (address[at * 2 + 1] as number)
}

export const addressOf = (words: Int32Array): IpAddress =>
  words.length === 1 ? (words[0] as number) >>> 0 : [...words].flatMap((word) => [word >>> 16, word & 0xffff])

/** The first bits of a word, the others 0: a shift by 32 is one by 0 in JavaScript. */
export const maskedWord = (word: number, bits: number): number =>
  bits >= 32 ? word : bits <= 0 ? 0 : word & (-1 << (32 - bits))
