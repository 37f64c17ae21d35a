/** What a reply is, as far as rules of caching tell kinds apart. */
export const CONTENT_KINDS = ['html', 'json', 'images', 'fonts', 'scripts', 'downloads', 'other'] as const
export type ContentKind = (typeof CONTENT_KINDS)[number]

const KINDS = new Map<string, ContentKind>([
  ['text/html', 'html'],
  ['application/xhtml+xml', 'html'],
  ['application/json', 'json'],
  ['text/json', 'json'],
  ['application/x-ndjson', 'json'],
  ['text/css', 'scripts'],
  ['text/javascript', 'scripts'],
  ['application/javascript', 'scripts'],
  ['application/x-javascript', 'scripts'],
  ['application/wasm', 'scripts'],
  ['application/font-woff', 'fonts'],
  ['application/font-woff2', 'fonts'],
  ['application/vnd.ms-fontobject', 'fonts'],
  ['application/octet-stream', 'downloads'],
  ['application/pdf', 'downloads'],
  ['application/zip', 'downloads'],
  ['application/gzip', 'downloads'],
  ['application/zstd', 'downloads'],
  ['application/x-7z-compressed', 'downloads'],
  ['application/x-tar', 'downloads'],
  ['application/vnd.apple.mpegurl', 'other'], // a playlist of what is live
])

const EXTENSIONS = new Map<string, ContentKind>([
  ...(['html', 'htm'] as const).map((name) => [name, 'html'] as const),
  ...(['png', 'jpg', 'jpeg', 'gif', 'webp', 'avif', 'svg', 'ico', 'mp4', 'webm', 'mp3', 'ogg'] as const).map(
    (name) => [name, 'images'] as const,
  ),
  ...(['woff', 'woff2', 'ttf', 'otf', 'eot'] as const).map((name) => [name, 'fonts'] as const),
  ...(['js', 'mjs', 'css', 'wasm'] as const).map((name) => [name, 'scripts'] as const),
  ...(['pdf', 'zip', 'gz', 'zst', '7z', 'tar', 'bin'] as const).map((name) => [name, 'downloads'] as const),
  ['json', 'json'],
])

/**
 * By its `Content-Type`; where it has none, as a 304 mostly, or one that says nothing, as several ranges, by the
 * extension of the path. Undefined where that says nothing either.
 */
export const contentKind = (contentType: string | undefined, path: string): ContentKind | undefined => {
  if (contentType === undefined) return byExtension(path)
  const known = KINDS.get(contentType) // most are written so
  if (known !== undefined) return known
  const end = contentType.indexOf(';')
  const essence = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
  if (essence === 'multipart/byteranges') return byExtension(path)
  return KINDS.get(essence) ?? byShape(essence)
}

const byShape = (essence: string): ContentKind => {
  if (essence.startsWith('image/') || essence.startsWith('video/') || essence.startsWith('audio/')) return 'images'
  if (essence.startsWith('font/') || essence.startsWith('application/x-font-')) return 'fonts'
  return essence.endsWith('+json') ? 'json' : 'other'
}

const byExtension = (path: string): ContentKind | undefined => {
  const dot = path.lastIndexOf('.')
  return dot > path.lastIndexOf('/') ? EXTENSIONS.get(path.slice(dot + 1).toLowerCase()) : undefined
}
