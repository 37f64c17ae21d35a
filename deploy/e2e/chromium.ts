import { type Browser, chromium } from 'playwright-core'
import { findOnPath } from '../local/system-tools.ts'

/** The flags that keep a browser in a container from its sandbox's needs, and from calling home. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** @param flags more of them */
export const launchChromium = async (...flags: readonly string[]): Promise<Browser> => {
  const executablePath = await findOnPath('chromium')
  if (executablePath === undefined) throw new Error('no chromium on the PATH: the global setup should have seen to it')
  return chromium.launch({ executablePath, args: [...FLAGS, ...flags] })
}
