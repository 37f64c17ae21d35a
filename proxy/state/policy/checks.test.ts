import { describe, expect, it } from 'vitest'
import { parseYaml } from '#shared/yaml.ts'
import { readPolicy } from './read.ts'

const problemsOf = (text: string): readonly string[] => {
  const parsed = parseYaml(text)
  const reading = parsed.kind === 'bad' ? parsed : readPolicy(parsed.document)
  return reading.kind === 'good' ? [] : reading.problems.map(({ path, message }) => `${path}: ${message}`)
}

describe('a policy that cannot be is refused, with the path and the remedy', () => {
  it.each<[string, string, RegExp]>([
    ['a key that is not known', 'routs: {}', /^routs: is not part of a policy: remove it, or correct its name$/],
    ['a key that is not known, deep down', 'blocking: {ladder: 3}', /^blocking\.ladder: is not part/],
    [
      'a number with a unit',
      'operations: {read: {headersTimeoutMs: 30s}}',
      /^operations\.read\.headersTimeoutMs: expected milliseconds as a whole number from 1/,
    ],
    ['a number out of its range', 'blocking: {growth: 0.5}', /^blocking\.growth: expected a factor from 1 to 100$/],
    [
      'a percentage',
      'emergency: {errorShare: 25}',
      /^emergency\.errorShare: expected a share from 0 to 1, as in 0.05 for 5 %$/,
    ],
    [
      'a text for a flag',
      'cdn: {hashedNamesAreImmutable: "yes"}',
      /^cdn\.hashedNamesAreImmutable: expected true or false$/,
    ],
    ['a field that is missing', 'limits: {a: {requests: 5}}', /^limits\.a\.perSeconds: is required: expected seconds/],
    ['a bad name', 'limits: {A_b: {requests: 5, perSeconds: 1}}', /^limits\.A_b: expected a name of lower-case/],
    ['a range that is none', 'blocking: {allow: [10.0.0.0/33]}', /^blocking\.allow\.0: expected an address or a range/],
    [
      'a path that is none',
      'routes: {a: {match: {path: listings}}}',
      /^routes\.a\.match\.path: expected a path such as/,
    ],
    ['a star in the middle', 'routes: {a: {match: {path: /a/*/b}}}', /^routes\.a\.match\.path: expected a path/],
    [
      'a method in small letters',
      'routes: {a: {match: {path: /a, methods: [get]}}}',
      /^routes\.a\.match\.methods\.0: expected a method in capitals/,
    ],
    [
      'a limit that there is not',
      'routes: {a: {match: {path: /a}, limits: [b]}}',
      /^routes\.a\.limits\.0: there is no "b" in limits \(there are: none\); add it there/,
    ],
    [
      'an operation that there is not',
      'routes: {a: {match: {path: /a}, operation: red}}',
      /^routes\.a\.operation: there is no "red" in operations \(there are: read, write\)/,
    ],
    ['an objective that there is not', 'routes: {a: {match: {path: /a}, slo: s}}', /^routes\.a\.slo: there is no "s"/],
    [
      'two routes for the same',
      'routes: {a: {match: {path: "/x/:id"}}, b: {match: {path: "/x/:name"}}}',
      /^routes\.b\.match: matches the same requests as routes\.a: give them/,
    ],
    [
      'two routes that share a method',
      'routes: {a: {match: {path: /x, methods: [GET, PUT]}}, b: {match: {path: /x/, methods: [PUT]}}}',
      /^routes\.b\.match: matches the same/,
    ],
    [
      'a stale window on a private route',
      'routes: {a: {match: {path: /a}, cache: {visibility: private}, stale: {keepSeconds: 60}}}',
      /^routes\.a\.stale: .*set cache\.visibility to public, or remove stale/,
    ],
    [
      'a time in the CDN for what is private',
      'routes: {a: {match: {path: /a}, cache: {visibility: private, cdnMaxAgeSeconds: 60}}}',
      /^routes\.a\.cache\.cdnMaxAgeSeconds: is for shared caches/,
    ],
    [
      'a time for what is not kept',
      'routes: {a: {match: {path: /a}, cache: {maxAgeSeconds: 60}}}',
      /^routes\.a\.cache\.maxAgeSeconds: is for replies that may be kept/,
    ],
    [
      'a time for a type that is not kept',
      'routes: {a: {match: {path: /a}, cache: {visibility: public, byType: {json: {visibility: no-store, maxAgeSeconds: 5}}}}}',
      /^routes\.a\.cache\.byType\.json\.maxAgeSeconds: is for replies that may be kept/,
    ],
    [
      'a time in the CDN for a type that is private',
      'routes: {a: {match: {path: /a}, cache: {visibility: public, byType: {json: {visibility: private, cdnMaxAgeSeconds: 5}}}}}',
      /^routes\.a\.cache\.byType\.json\.cdnMaxAgeSeconds: is for shared caches/,
    ],
    [
      'cookies that are ignored where nothing is shared',
      'routes: {a: {match: {path: /a}, cache: {visibility: private, ignoreCookies: true}}}',
      /^routes\.a\.cache\.ignoreCookies: only means something/,
    ],
    [
      'a type that there is not',
      'routes: {a: {match: {path: /a}, cache: {byType: {jsn: {visibility: public}}}}}',
      /^routes\.a\.cache\.byType\.jsn: is not part of a policy: remove it, or correct its name$/,
    ],
    [
      'a tag that would be two',
      'routes: {a: {match: {path: /a}, cache: {tags: ["a,b"]}}}',
      /^routes\.a\.cache\.tags\.0: expected a tag without blanks and commas/,
    ],
    [
      'a timeout that can never pass',
      'operations: {read: {connectTimeoutMs: 2000, totalTimeoutMs: 1000}}',
      /^operations\.read\.connectTimeoutMs: \(2000\) can never pass/,
    ],
    [
      'a time for the head that is longer than for the whole',
      'operations: {export: {headersTimeoutMs: 1001, totalTimeoutMs: 1000}}',
      /^operations\.export\.headersTimeoutMs: \(1001\) can never pass: totalTimeoutMs \(1000\) is less; lower the one or raise/,
    ],
    [
      'a first block beyond the longest',
      'blocking: {firstBlockSeconds: 100, longestBlockSeconds: 50}',
      /^blocking\.firstBlockSeconds: \(100\) is longer/,
    ],
    [
      'an emergency that ends before it may',
      'emergency: {minimumSeconds: 100, maximumSeconds: 50}',
      /^emergency\.minimumSeconds: \(100\)/,
    ],
    [
      'a provider without its key',
      'challenge: {provider: turnstile}',
      /^challenge\.siteKey: is required for turnstile/,
    ],
    [
      'a CDN without its zone',
      'cdn: {purge: {provider: cloudflare}}',
      /^cdn\.purge\.target: is missing: cloudflare needs/,
    ],
    ['a CDN without its service', 'cdn: {purge: {provider: fastly}}', /^cdn\.purge\.target: is missing: fastly needs/],
    [
      'a URL with a password',
      "cdn: {purge: {provider: webhook, url: 'https://u:secret@a.example/'}}",
      /^cdn\.purge\.url: expected a URL/,
    ],
    ['a webhook of nobody', 'cdn: {purge: {provider: webhook}}', /^cdn\.purge\.url: is missing: webhook needs/],
    [
      'a burn rate that can never fire',
      'slo: {objectives: {reads: {availability: 0.9}}}',
      /^alerts\.burnRates\.0\.factor: \(14\.4\) can never be reached by slo\.objectives\.reads: with 0\.9 promised, everything failing burns 10\.0 times/,
    ],
    [
      'windows the wrong way round',
      'alerts: {burnRates: [{factor: 2, longSeconds: 300, shortSeconds: 300}]}',
      /^alerts\.burnRates\.0\.shortSeconds: \(300\) must be less/,
    ],
    ['YAML that is none', 'routes: {a: [', /^line 1, column \d+: /],
    ['a key twice', 'cdn: {}\ncdn: {}', /^line 2, column 1: Map keys must be unique/],
    ['a list for a policy', '[1, 2]', /^: /],
  ])('%s', (_what, text, problem) => {
    const problems = problemsOf(text)
    expect(
      problems.filter((line) => problem.test(line)),
      problems.join('\n'),
    ).not.toEqual([])
  })

  it('every problem at once', () => {
    const problems = problemsOf('routs: {}\nblocking: {growth: 0}\nlimits: {a: {requests: 0, perSeconds: 1}}')
    expect(problems).toHaveLength(3)
  })

  it('a time counts where some type of the replies is kept', () => {
    const route = (cache: string) => problemsOf(`routes: {a: {match: {path: /a}, cache: ${cache}}}`)
    expect(route('{maxAgeSeconds: 5, cdnMaxAgeSeconds: 9, byType: {images: {visibility: public}}}')).toEqual([])
    expect(route('{ignoreCookies: true}')).toEqual([])
    expect(route('{visibility: private, maxAgeSeconds: 5}')).toEqual([])
    const byDefault = 'cdn: {types: {fonts: {visibility: public}}}'
    expect(problemsOf(`{routes: {a: {match: {path: /a}, cache: {maxAgeSeconds: 5}}}, ${byDefault}}`)).toEqual([])
    expect(problemsOf('routes: {a: {match: {path: /a}, stale: {keepSeconds: 5}}}')).toEqual([])
  })

  it('what is specific beside what is general is no clash', () => {
    expect(
      problemsOf(`
routes:
  all: {match: {path: /x}}
  writes: {match: {path: /x, methods: [POST]}}
  one: {match: {path: "/x/:id"}}
  this: {match: {path: /x/1}}
  below: {match: {path: /x/*}}
`),
    ).toEqual([])
  })
})
