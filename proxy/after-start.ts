import { flushCompileCache } from 'node:module'

/** Keeps what was compiled for the next start, and gives back what only this one has needed: 12 MB of an idle process. */
export const tidyAfterStart = (): void => {
  flushCompileCache() // now, not at the exit that a killed process never comes to
  // The one collection that makes the young generation small again. It drops code that has not run lately, too: before
  // the first request there is none to miss.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
