import { expect, it } from 'vitest'
import { differenceTable } from './difference-table.ts'

it('a difference tells a number from a text, and what is empty from what is not there', () => {
  const differences = [
    { path: 'a', from: 5, to: '5' },
    { path: 'b', from: '-' },
    { path: 'c', to: {} },
  ]
  expect(differenceTable(differences)).toBe('PATH  NOW  THEN\na     5    "5"\nb     "-"  -\nc     -    {}')
  expect(differenceTable([])).toBe('No difference.')
})

it('a difference of garbage moves no cursor', () => {
  expect(differenceTable([7, { path: '\u001b', from: '\u009b' }])).toBe(
    'PATH    NOW       THEN\n-       -         -\n\\u001b  "\\u009b"  -',
  )
})
