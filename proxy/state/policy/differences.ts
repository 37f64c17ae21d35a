/** One key that two policies do not agree on; undefined where one of them has none. */
export interface Difference {
  readonly path: string
  readonly from: unknown
  readonly to: unknown
}

/** Who has the URL of a webhook may post there. */
const SECRET = /^alerts\.webhooks\.\d+\.url$/
const MASKED = '[masked]'

/** What differs, key by key; secrets are masked. */
export const differences = (from: unknown, to: unknown): Difference[] => {
  const before = leaves(from)
  const after = leaves(to)
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => ({ path, from: shown(path, before.get(path)), to: shown(path, after.get(path)) }))
}

/** With secrets masked, wherever it is shown. */
export const masked = (document: unknown, path = ''): unknown => {
  if (Array.isArray(document)) return document.map((item, index) => masked(item, below(path, String(index))))
  if (typeof document !== 'object' || document === null) return shown(path, document)
  return Object.fromEntries(Object.entries(document).map(([key, value]) => [key, masked(value, below(path, key))]))
}

const shown = (path: string, value: unknown): unknown => (value !== undefined && SECRET.test(path) ? MASKED : value)

const below = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)

const leaves = (value: unknown, path = '', found = new Map<string, unknown>()): Map<string, unknown> => {
  if (typeof value !== 'object' || value === null) found.set(path, value)
  else if (Object.keys(value).length === 0 && path !== '') found.set(path, Array.isArray(value) ? '[]' : '{}')
  else for (const [key, item] of Object.entries(value)) leaves(item, below(path, key), found)
  return found
}
