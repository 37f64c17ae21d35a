import { expect, test } from 'vitest'
import { layerVariants } from './layer-variants.ts'

test('each layer is left out once, then all but the one that must be there', () => {
  expect(layerVariants(['traffic', 'rescue', 'own-paths'])).toEqual([
    { name: 'all', leftOut: [] },
    { name: 'without traffic', leftOut: ['traffic'] },
    { name: 'without own-paths', leftOut: ['own-paths'] },
    { name: 'none but rescue', leftOut: ['traffic', 'own-paths'] },
  ])
})
