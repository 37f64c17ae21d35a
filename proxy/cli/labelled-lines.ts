import { printable } from './printable.ts'

/** Each what beside its value, one a line, safe to print. */
export const labelledLines = (all: readonly (readonly string[])[]): string =>
  all.map(([what = '', value = '']) => `  ${what.padEnd(10)}  ${printable(value)}`).join('\n')
