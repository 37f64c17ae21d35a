import { joinedFieldValue } from '../headers.ts'

/** By which a reply can be purged: those that the app has put on it (Fastly separates them by spaces, Cloudflare by commas), and its route's. */
export const tagsOf = (headers: readonly string[], ofRoute: readonly string[]): readonly string[] => {
  const words = (lowerName: string) => joinedFieldValue(headers, lowerName).split(/[\s,]+/)
  return [...new Set([...words('surrogate-key'), ...words('cache-tag'), ...ofRoute])].filter((tag) => tag !== '')
}
