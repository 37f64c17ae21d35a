import { setTimeout as delay } from 'node:timers/promises'

/** How long what a test has brought about may take to show, on a slow machine. */
const SETTLE_MS = 20_000

/** Waits until `holds`. @throws Error naming `what` where it does not come to hold */
export const eventually = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + SETTLE_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${SETTLE_MS} ms in vain: ${what}`)
    await delay(5)
  }
}
