import { fieldValue, isPersistent } from '../headers.ts'
import type { ReplyStart } from '../http1/reply-reader.ts'

/** We let go of a connection this much before the app says that it will. */
const MARGIN_MS = 1_000

/**
 * How long a connection may rest after this reply: `limitMs`, or less where the app's `Keep-Alive` says so; 0 where it
 * must be closed (RFC 9112 §9.3).
 */
export const keepAliveMs = (head: ReplyStart, limitMs: number): number => {
  if (!isPersistent(head) || mayBeFollowedByBody(head)) return 0
  const hint = fieldValue(head.rawHeaders, 'keep-alive')
  const timeout = hint === undefined ? null : /(?:^|[,;\s])timeout=(\d+)/i.exec(hint)
  return timeout === null ? limitMs : Math.max(0, Math.min(limitMs, Number(timeout[1]) * 1_000 - MARGIN_MS))
}

/** These have no body, whatever they say; an app that announces one all the same may send it, too, behind them. */
const mayBeFollowedByBody = ({ status, rawHeaders }: ReplyStart): boolean =>
  (status === 204 || status === 304) &&
  ((fieldValue(rawHeaders, 'content-length') ?? '0') !== '0' ||
    fieldValue(rawHeaders, 'transfer-encoding') !== undefined)
