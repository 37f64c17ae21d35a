import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { parseYaml } from '#shared/yaml.ts'
import { differences } from './differences.ts'
import { readPolicy } from './read.ts'

const routeName = fc.constantFrom('a', 'b', 'c', 'd')
const limitName = fc.constantFrom('per-client', 'per-key')

/** Documents as operators write them: some of the fields, with values that may stand there. */
const document = fc.record(
  {
    trustedProxies: fc.record({ ranges: fc.array(fc.constantFrom('10.0.0.0/8', '2001:db8::/32', '192.0.2.7')) }),
    operations: fc.dictionary(
      fc.constantFrom('read', 'write', 'stream'),
      fc.record({ idleTimeoutMs: fc.integer({ min: 1, max: 1_000 }), breaker: fc.boolean() }, { requiredKeys: [] }),
    ),
    routes: fc.dictionary(
      routeName,
      fc.record(
        {
          match: fc.record(
            {
              path: fc.constantFrom('/', '/listings', '/listings/:id', '/media/*', '/a/b'),
              methods: fc.uniqueArray(fc.constantFrom('GET', 'POST'), { minLength: 1 }),
            },
            { requiredKeys: ['path'] },
          ),
          cache: fc.record(
            {
              visibility: fc.constantFrom('public', 'private', 'no-store'),
              maxAgeSeconds: fc.integer({ min: 0, max: 100 }),
              tags: fc.array(fc.constantFrom('x', 'y')),
            },
            { requiredKeys: [] },
          ),
          limits: fc.array(limitName, { maxLength: 2 }),
          priority: fc.constantFrom('high', 'normal', 'low'),
        },
        { requiredKeys: ['match'] },
      ),
    ),
    limits: fc.dictionary(
      limitName,
      fc.record(
        {
          requests: fc.integer({ min: 1, max: 100 }),
          perSeconds: fc.integer({ min: 1, max: 100 }),
          key: fc.constantFrom({ by: 'client-address' }, { by: 'header', name: 'X-Key' }, { by: 'route' }),
        },
        { requiredKeys: ['requests', 'perSeconds'] },
      ),
    ),
    emergency: fc.record({ errorShare: fc.double({ min: 0, max: 1, noNaN: true }) }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)

/** The same with something else in some place, or something more. */
const harmed = fc
  .tuple(
    document,
    fc.nat(),
    fc.oneof(fc.anything({ maxDepth: 1 }), fc.constantFrom('30s', -1, null, Number.NaN)),
    fc.boolean(),
  )
  .map(([original, at, value, isAdded]) => {
    const copy = structuredClone(original) as Record<string, unknown>
    const places: { holder: Record<string, unknown>; key: string }[] = []
    const visit = (holder: Record<string, unknown>): void => {
      for (const [key, below] of Object.entries(holder)) {
        places.push({ holder, key })
        if (typeof below === 'object' && below !== null) visit(below as Record<string, unknown>)
      }
    }
    visit({ document: copy, ...copy })
    const place = places[at % places.length]
    if (place !== undefined) place.holder[isAdded ? 'surprise' : place.key] = value
    return copy
  })

describe('Property 8: Configuration Validation', () => {
  it('a document is a policy, or every problem of it is told by its path', () => {
    let bad = 0
    fc.assert(
      fc.property(fc.oneof(document, harmed, fc.anything()), (candidate) => {
        const reading = readPolicy(candidate)
        if (reading.kind === 'good') return
        bad++
        expect(reading.problems.length).toBeGreaterThan(0)
        for (const { message } of reading.problems) expect(message).not.toBe('')
      }),
      { numRuns: 3_000 },
    )
    expect(bad).toBeGreaterThan(300)
  })

  it('what a policy is written as, is that policy: as JSON and as YAML', () => {
    let good = 0
    fc.assert(
      fc.property(document, (candidate) => {
        const reading = readPolicy(candidate)
        if (reading.kind === 'bad') return
        good++
        const { policy } = reading
        expect(readPolicy(JSON.parse(JSON.stringify(policy)))).toEqual({ kind: 'good', policy })
        const parsed = parseYaml(stringify(policy))
        expect(parsed.kind === 'parsed' && readPolicy(parsed.document)).toEqual({ kind: 'good', policy })
        expect(differences(policy, structuredClone(policy))).toEqual([])
      }),
      { numRuns: 1_000 },
    )
    expect(good).toBeGreaterThan(200)
  })

  it('problems do not hide one another', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom('w', 'x', 'y', 'z'), { minLength: 1 }),
        fc.integer({ min: 1, max: 5 }),
        (extra, wrong) => {
          const candidate = {
            ...Object.fromEntries(extra.map((key) => [key, 1])),
            limits: Object.fromEntries(
              Array.from({ length: wrong }, (_, index) => [`l${index}`, { requests: 0, perSeconds: 1 }]),
            ),
          }
          const reading = readPolicy(candidate)
          expect(reading.kind === 'bad' && reading.problems.map(({ path }) => path).toSorted()).toEqual(
            [...extra, ...Array.from({ length: wrong }, (_, index) => `limits.l${index}.requests`)].toSorted(),
          )
        },
      ),
    )
  })
})

it('secrets do not show in differences', () => {
  const withHook = (url: string) => ({ alerts: { webhooks: [{ kind: 'slack', url }] } })
  expect(differences(withHook('https://hooks.example/T1/secret'), withHook('https://hooks.example/T1/other'))).toEqual([
    {
      path: 'alerts.webhooks.0.url',
      from: expect.stringMatching(/^\[masked [0-9a-f]{8}\]$/),
      to: expect.stringMatching(/^\[masked [0-9a-f]{8}\]$/),
    },
  ])
})
