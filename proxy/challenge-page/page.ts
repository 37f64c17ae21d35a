import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Puzzle, ThirdParty } from '../state/challenge/providers/provider.ts'
import type { InterruptedForm } from './form-fields.ts'

/** Read once, at the start: no request waits for a disk. */
const part = (name: string): string => withoutAir(readFileSync(new URL(name, import.meta.url), 'utf8'))
/** Lines without their indentation, and without those that are comments: a flood gets this page, too. */
const withoutAir = (text: string): string => text.replace(/^\s*(?:(?:\/\/|\/\*\*|\*\/|\* ).*)?\n|^ +/gm, '')
const STYLE = part('page.css')
const SCRIPT = `${part('solver.js')}\n${part('page.js')}`

/** What the page is to say of what the browser had sent: `none` where it had sent nothing. */
export type Interrupted = 'none' | 'lost' | InterruptedForm

export interface PageContent {
  readonly puzzle: Puzzle
  /** Whose script the page loads, where it does. */
  readonly thirdParty: ThirdParty | undefined
  readonly interrupted: Interrupted
  readonly clearanceSeconds: number
  readonly correlationId: string
}

/** The page for browsers, and what it may do. */
export interface Page {
  readonly html: string
  /** `Content-Security-Policy`. */
  readonly policy: string
}

/**
 * The page that a browser solves its challenge in, by itself, and that then goes where the browser was going. One file,
 * with nothing of anybody else's, unless the provider is a third party. No URL is in it: it reloads, or sends its form to,
 * the address that it has been got from.
 */
export const challengePage = (content: PageContent): Page => {
  const { puzzle, thirdParty, interrupted, clearanceSeconds, correlationId } = content
  const nonce = randomUUID()
  const form = interrupted === 'none' || interrupted === 'lost' ? interrupted : 'resend'
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>One moment, please</title>
<style nonce="${nonce}">
${STYLE}
</style>
</head>
<body>
<main>
<h1>One moment, please</h1>
<p>This site is checking that you have come with an ordinary browser, as it does when it gets unusually many requests. ${
    thirdParty === undefined
      ? 'Your browser solves a small puzzle for it, by itself and in a moment; nothing about you is sent to anybody else.'
      : 'A service of another company does the checking.'
  }</p>
${NOTES[form]}
<progress id="progress" aria-label="Progress of the check" value="0" max="1" hidden></progress>
<p id="status" role="status"></p>
<noscript><p class="note">The check needs JavaScript, which is turned off in your browser. Please turn it on for this site, and load the page again.</p></noscript>
${thirdParty === undefined ? '' : widget(puzzle, thirdParty)}
<button id="retry" type="button" hidden>Try again</button>
<button id="back" type="button" hidden>Go back</button>
<footer>A cookie keeps the result for ${inWords(clearanceSeconds)}. If the check fails again and again, tell the site this reference: <code>${escaped(correlationId)}</code></footer>
</main>
${typeof interrupted === 'string' ? '' : hiddenForm(interrupted)}
<script type="application/json" id="given">${jsonInScript({ challenge: puzzle, form })}</script>
<script nonce="${nonce}">
${SCRIPT}
</script>
${thirdParty === undefined ? '' : `<script nonce="${nonce}" src="${escaped(thirdParty.script)}" async defer></script>`}
</body>
</html>
`
  return { html, policy: contentPolicy(nonce, thirdParty) }
}

const NOTES = {
  none: '',
  resend: '<p class="note">What you sent is not lost: it is sent again, by itself, when the check is done.</p>',
  lost: '<p class="note"><strong>What you sent has not reached the site.</strong> When the check is done, go back, and send it once more.</p>',
} as const

/** In the charset in which it came, to where it was going. */
const hiddenForm = ({ charset, fields }: InterruptedForm): string => {
  const inputs = fields.map(
    ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
  )
  return `<form id="form" method="post" accept-charset="${charset}" hidden>${inputs.join('')}</form>`
}

const widget = (puzzle: Puzzle, { widgetClass }: ThirdParty): string => {
  const attributes = Object.entries({ sitekey: puzzle.siteKey, action: puzzle.action, cdata: puzzle.cData })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` data-${name}="${escaped(String(value))}"`)
  return `<div id="widget" class="${widgetClass}"${attributes.join('')} data-callback="onSidegateToken" data-error-callback="onSidegateFailure"></div>`
}

/** Nothing but what the page needs: its own two nonces, its worker, its requests to where it is from. */
const contentPolicy = (nonce: string, thirdParty: ThirdParty | undefined): string => {
  const { sources = '', isWide = false } = thirdParty ?? {}
  const and = (isTheirs: boolean) => (isTheirs && sources !== '' ? ` ${sources}` : '')
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'${and(true)}`,
    `style-src 'nonce-${nonce}'${and(isWide)}`,
    `connect-src 'self'${and(isWide)}`,
    ...(thirdParty === undefined ? ['worker-src blob:'] : [`frame-src ${sources}`]),
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  // As they are, the parser would make one of the two out of each.
  '\r': '&#13;',
  '\n': '&#10;',
}

/** As text, or as a value between quotes. */
const escaped = (text: string): string => text.replace(/[&<>"'\r\n]/g, (character) => ENTITIES[character] as string)

/** JSON that no parser of HTML finds an end or a comment in. */
const jsonInScript = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')

const inWords = (seconds: number): string => {
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return minutes === 1 ? 'a minute' : minutes === 60 ? 'an hour' : `${minutes} minutes`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`
}
