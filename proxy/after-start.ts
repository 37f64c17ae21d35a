/** Gives back what only the start has needed: 12 MB of an idle process. */
export const tidyAfterStart = (): void => {
  // The one collection that makes the young generation small again. It drops code that has not run lately, too: before
  // the first request there is none to miss.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
