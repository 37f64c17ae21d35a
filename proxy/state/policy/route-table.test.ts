import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RouteMatch, RouteTable } from './route-table.ts'

const tableOf = (...paths: (string | RouteMatch)[]) =>
  new RouteTable(
    paths.map((path) => {
      const match = typeof path === 'string' ? { path } : path
      return [match, `${match.methods?.join() ?? ''}${match.path}`] as const
    }),
  )

describe('the most specific route counts', () => {
  const table = tableOf(
    ...['/', '/listings', '/listings/:id', '/listings/new', '/listings/:id/photos', '/media/*', '/media/:file', '/*'],
    { path: '/listings', methods: ['POST'] },
  )

  it.each([
    ['GET', '/', '/'],
    ['GET', '/listings', '/listings'],
    ['GET', '/listings/', '/listings'],
    ['POST', '/listings', 'POST/listings'],
    ['GET', '/listings/7', '/listings/:id'],
    ['GET', '/listings/new', '/listings/new'],
    ['GET', '/listings/new/photos', '/listings/:id/photos'],
    ['GET', '/listings/7/offers', '/*'],
    ['GET', '/media', '/media/*'],
    ['GET', '/media/a', '/media/:file'],
    ['GET', '/media/a/b/c', '/media/*'],
    ['GET', '/other', '/*'],
  ])('%s %s', (method, path, route) => {
    expect(table.find(method, path)).toBe(route)
  })

  it('none where none matches', () => {
    expect(table.find('OPTIONS', '*')).toBeUndefined()
    expect(tableOf('/a').find('GET', '/b')).toBeUndefined()
    expect(tableOf({ path: '/a', methods: ['PUT'] }).find('GET', '/a')).toBeUndefined()
  })
})

describe('what is the same to an app is the same here', () => {
  const table = tableOf('/listings/:id', '/*')

  it.each([
    '/listings/7',
    '//listings//7',
    '/%6cistings/7',
    '/%6Cistings/7',
    '/x/../listings/7',
    '/./listings/./7',
    '/../listings/7',
    '/listings/x/../7',
    '/listings/7/',
  ])('%s', (path) => {
    expect(table.find('GET', path)).toBe('/listings/:id')
  })

  it('an escape that is not the same as its character stays one', () => {
    expect(tableOf('/a%2fb', '/a/b').find('GET', '/a%2Fb')).toBe('/a%2fb')
  })
})

const segment = fc.constantFrom('a', 'b', 'c')
const pattern = fc
  .tuple(fc.array(fc.oneof(segment, fc.constant(':p')), { maxLength: 4 }), fc.boolean())
  .map(([segments, isOpen]) => `/${[...segments, ...(isOpen ? ['*'] : [])].join('/')}`)

/** Whether the pattern matches, and how specific it is, segment by segment. */
const model = (path: string, pattern_: string): number[] | undefined => {
  const wanted = pattern_
    .split('/')
    .slice(1)
    .filter((part) => part !== '')
  const given = path
    .split('/')
    .slice(1)
    .filter((part) => part !== '')
  const isOpen = wanted.at(-1) === '*'
  if (isOpen) wanted.pop()
  if (given.length < wanted.length || (given.length > wanted.length && !isOpen)) return undefined
  if (!wanted.every((part, index) => part === ':p' || part === given[index])) return undefined
  return [...wanted.map((part) => (part === ':p' ? 1 : 2)), isOpen ? 0 : 0.5]
}

it('agrees with a comparison of every route, whatever their order', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(pattern, { maxLength: 12 }),
      fc.array(segment, { maxLength: 5 }),
      (patterns, segments) => {
        const path = `/${segments.join('/')}`
        const best = patterns
          .flatMap((candidate) => {
            const rank = model(path, candidate)
            return rank === undefined ? [] : [{ candidate, rank }]
          })
          .toSorted((a, b) => {
            for (let i = 0; i < Math.max(a.rank.length, b.rank.length); i++) {
              const difference = (b.rank[i] ?? -1) - (a.rank[i] ?? -1)
              if (difference !== 0) return difference
            }
            return 0
          })[0]?.candidate
        expect(tableOf(...patterns).find('GET', path)).toBe(best)
        expect(tableOf(...patterns.toReversed()).find('GET', path)).toBe(best)
      },
    ),
    { numRuns: 3_000 },
  )
})
