/**
 * Tags by which a CDN purges. `Surrogate-Key` separates them by blanks, `Cache-Tag` by commas: here they are a list.
 *
 * A CDN cuts off what is too long, without a word. What it would then keep could not be purged any more, which is worse than not
 * to be kept at all: so a list that does not fit is refused whole.
 */

/** A field for tags. */
export interface TagField {
  readonly name: string
  readonly separator: ' ' | ','
}

/** Of the whole field, as Fastly counts it; Cloudflare takes as much. */
const TAGS_BYTES_LIMIT = 16_384
/** Of one tag. */
const TAG_LENGTH_LIMIT = 1_024

export const tagsOfSurrogateKey = (field: string): string[] => field.split(/[ \t]+/).filter((tag) => tag !== '')

export const tagsOfCacheTag = (field: string): string[] =>
  field.split(',').flatMap((tag) => (tag.trim() === '' ? [] : [tag.trim()]))

/** In the order in which they come, none twice. */
export const mergedTags = (some: readonly string[], others: readonly string[]): readonly string[] =>
  others.length === 0 ? some : [...new Set([...some, ...others])]

/** Whether a CDN would read from its fields just these tags. One with a comma would be two in `Cache-Tag`. */
export const tagsFit = (tags: readonly string[], fields: readonly TagField[]): boolean => {
  if (tags.length === 0) return true
  let length = tags.length - 1
  for (const tag of tags) {
    if (tag.length > TAG_LENGTH_LIMIT || !/^[\x21-\x7e]+$/.test(tag)) return false
    if (tag.includes(',') && fields.some(({ separator }) => separator === ',')) return false
    length += tag.length
  }
  return length <= TAGS_BYTES_LIMIT
}
