import { mergedTags, tagsOfCacheTag, tagsOfSurrogateKey } from '../cdn/tags.ts'
import { joinedFieldValue } from '../headers.ts'

/** By which a reply can be purged: those that the app has put on it, and its route's. */
export const tagsOf = (headers: readonly string[], ofRoute: readonly string[]): readonly string[] => {
  const ofSurrogateKey = tagsOfSurrogateKey(joinedFieldValue(headers, 'surrogate-key').replaceAll(',', ' '))
  return mergedTags(mergedTags(ofSurrogateKey, tagsOfCacheTag(joinedFieldValue(headers, 'cache-tag'))), ofRoute)
}
