/** Header fields as browsers and API clients send them: about 1 KB, the same for every peer. */
export const REQUEST_HEADERS: readonly (readonly [string, string])[] = [
  ['Host', 'api.example.com'],
  [
    'User-Agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  ],
  ['Accept', 'application/json, text/plain;q=0.9, */*;q=0.8'],
  ['Accept-Encoding', 'gzip, deflate, br, zstd'],
  ['Accept-Language', 'en-GB,en;q=0.9,fi;q=0.8,sv;q=0.7'],
  [
    'Cookie',
    `session=${'4f3a9c1e'.repeat(32)}; preferences=theme.dark-columns.4-currency.EUR-units.metric; _seen=${'7b20d5'.repeat(40)}`,
  ],
  ['Referer', 'https://www.example.com/listings/boats?city=turku&sort=newest&page=3'],
  ['X-Client-Version', 'web-2026.10.3+build.48213'],
]

/** The path of each kind of reply at the upstream. */
export const PATHS = {
  small: '/small?city=turku&limit=20',
  reply64k: '/files/64k',
  reply10m: '/files/10m',
  upload: '/upload',
  echo: '/echo',
} as const

export const KIBIBYTE = 1_024
export const MEBIBYTE = 1_048_576
export const UPLOAD_BYTES = 64 * KIBIBYTE
