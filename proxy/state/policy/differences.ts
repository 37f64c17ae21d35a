import { createHash } from 'node:crypto'
import type { Policy } from './schema.ts'

/** One key that two policies do not agree on; undefined where one of them has none. */
export interface Difference {
  readonly path: string
  readonly from: unknown
  readonly to: unknown
}

/** Who has the URL of a webhook may post there. */
const SECRET = /^alerts\.webhooks\.\d+\.url$/
const MASK = /^\[masked ([0-9a-f]{8})\]$/

/** What differs, key by key; what only one of them has is told whole. Secrets are masked. */
export const differences = (from: unknown, to: unknown, path = ''): Difference[] => {
  if (from === to) return []
  const [before, after] = [partsOf(from), partsOf(to)]
  // A list and a map are as different as two numbers.
  if (before === undefined || after === undefined || Array.isArray(from) !== Array.isArray(to)) {
    return [{ path, from: masked(from, path), to: masked(to, path) }]
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => differences(before[key], after[key], below(path, key)))
}

const partsOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined

const LOGGED_LIMIT = 100

/** A line of the log stays one that can be read. */
export const differencesForLog = (all: readonly Difference[]): Readonly<Record<string, unknown>> => ({
  differences: all.slice(0, LOGGED_LIMIT),
  ...(all.length > LOGGED_LIMIT && { differencesLeftOut: all.length - LOGGED_LIMIT }),
})

/** With secrets masked, wherever it is shown. */
export const masked = (document: unknown, path = ''): unknown => {
  if (Array.isArray(document)) return document.map((item, index) => masked(item, below(path, String(index))))
  if (typeof document !== 'object' || document === null) return shown(path, document)
  return Object.fromEntries(Object.entries(document).map(([key, value]) => [key, masked(value, below(path, key))]))
}

/**
 * The same with masks taken off, so that who reads a policy can send it back: each stands for the secret of `known` that it
 * was put on. One that stands for none stays.
 */
export const unmasked = (document: unknown, known: Policy): unknown => {
  const secrets = new Map(known.alerts.webhooks.map(({ url }) => [mark(url), url]))
  if (secrets.size === 0 || !isMembers(document) || !isMembers(document.alerts)) return document
  const { webhooks } = document.alerts
  if (!Array.isArray(webhooks)) return document
  // Nothing else is looked into: it may be anything, however deep.
  const bare = webhooks.map((webhook: unknown) => {
    if (!isMembers(webhook) || typeof webhook.url !== 'string') return webhook
    const digest = MASK.exec(webhook.url)?.[1]
    return digest === undefined ? webhook : { ...webhook, url: secrets.get(digest) ?? webhook.url }
  })
  return { ...document, alerts: { ...document.alerts, webhooks: bare } }
}

const isMembers = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const shown = (path: string, value: unknown): unknown => (isSecret(path, value) ? `[masked ${mark(value)}]` : value)

const isSecret = (path: string, value: unknown): value is string => typeof value === 'string' && SECRET.test(path)

/** Tells secrets apart, and tells nothing of them. */
const mark = (secret: string): string => createHash('sha256').update(secret).digest('hex').slice(0, 8)

const below = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)
