import { readFileSync } from 'node:fs'

/** Of the whole project: both processes are released together. */
export const version: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
