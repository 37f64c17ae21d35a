/**
 * Names that are made of what they name: the SHA-256 of the bytes is in them, so that the same bytes have the same name,
 * and what a name stands for never changes. Pure; whoever stores or caches by them asks here.
 *
 *     ab/cd/abcd….png     a stored file: 64 hexadecimal digits in folders of their first two and next two
 *     logo.abcd….png      a file that keeps a name for readers; bundlers put in eight digits or more
 */
import { createHash } from 'node:crypto'

/** Bytes in any pieces → their SHA-256. */
export class ContentHash {
  readonly #hash = createHash('sha256')

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes)
    return this
  }

  /** 64 hexadecimal digits in small letters. Ends the hash. */
  digest(): string {
    return this.#hash.digest('hex')
  }
}

const HASH = /^[0-9a-f]{64}$/
const EXTENSION = /^[a-z0-9]{1,16}$/

/**
 * `ab/cd/<hash>.<ext>`
 *
 * @param hash as {@link ContentHash.digest} gives it
 * @param extension without its dot, in small letters
 * @throws RangeError where one of the two is not so
 */
export const contentName = (hash: string, extension: string): string => {
  if (!HASH.test(hash)) throw new RangeError('a content hash has 64 hexadecimal digits in small letters')
  if (!EXTENSION.test(extension)) throw new RangeError('an extension has 1 to 16 small letters and digits')
  return `${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash}.${extension}`
}

/** What {@link contentName} made a name of. */
export interface NamedContent {
  readonly hash: string
  readonly extension: string
}

const STORED = /(?:^|\/)([0-9a-f]{2})\/([0-9a-f]{2})\/(\1\2[0-9a-f]{60})\.([a-z0-9]{1,16})$/

/** Reads a name of {@link contentName}, also at the end of a path. Undefined where it is none. */
export const namedContent = (path: string): NamedContent | undefined => {
  const parts = STORED.exec(path)
  return parts === null ? undefined : { hash: parts[3] as string, extension: parts[4] as string }
}

/** At least a letter among the digits, lest a date or a number be taken for a hash; not so in a whole SHA-256. */
const EMBEDDED = /^(?=[0-9]*[a-f]|[0-9]{64}$)[0-9a-f]{8,64}$/i

/** Of folders, hash, dot and extension. */
const STORED_LENGTH = 6 + 64 + 1 + 16

/** Whether the last segment of a path has a content hash in it, so that its bytes can never be others. */
export const isHashedName = (path: string): boolean => {
  const dot = path.lastIndexOf('.')
  // Most paths end without an extension, or have too little before it: they are told by two searches.
  if (dot < 9 || dot < path.length - 17) return false
  const slash = path.lastIndexOf('/')
  if (slash > dot - 9 || !EXTENSION.test(path.slice(dot + 1))) return false
  const before = path.lastIndexOf('.', dot - 1)
  if (before > slash + 1) return EMBEDDED.test(path.slice(before + 1, dot))
  return STORED.test(path.slice(-STORED_LENGTH - 1))
}
