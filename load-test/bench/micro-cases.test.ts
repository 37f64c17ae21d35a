import { expect, it } from 'vitest'
import { cachingCases } from './caching-cases.ts'
import { circuitCases } from './circuit-cases.ts'
import { limitCases } from './limit-cases.ts'
import { microCases } from './micro-cases.ts'
import { sloCases } from './slo-cases.ts'

// Those of blocks fill tables of a million for as long as a minute: the benchmark itself runs them.
it.each([...microCases, ...limitCases, ...circuitCases, ...sloCases, ...cachingCases])(
  '$name can be timed',
  ({ run }) => {
    for (let turn = 0; turn < 200; turn++) expect(run(turn)).not.toBeNull()
  },
)
