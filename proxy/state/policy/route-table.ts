/** What of a route decides which requests it is for. */
export interface RouteMatch {
  /** As in `/listings/:id` or `/media/*`. */
  readonly path: string
  /** Undefined for all. */
  readonly methods?: readonly string[] | undefined
}

interface Node<Route> {
  readonly literals: Map<string, Node<Route>>
  parameter: Node<Route> | undefined
  /** Of a path that ends here. */
  readonly here: Candidates<Route>
  /** Of a path that goes on from here, or ends here with a slash. */
  readonly below: Candidates<Route>
}

interface Candidates<Route> {
  readonly byMethod: Map<string, Route>
  ofAny: Route | undefined
}

const newCandidates = <Route>(): Candidates<Route> => ({ byMethod: new Map(), ofAny: undefined })

const newNode = <Route>(): Node<Route> => ({
  literals: new Map(),
  parameter: undefined,
  here: newCandidates(),
  below: newCandidates(),
})

/**
 * Finds the route of a request. Of several that match, the most specific counts, from the left: text before a parameter
 * before a star; then one that names the method before one that takes all. The order in the policy decides nothing.
 */
export class RouteTable<Route> {
  readonly #root = newNode<Route>()
  #isEmpty = true

  constructor(routes: Iterable<readonly [RouteMatch, Route]>) {
    for (const [match, route] of routes) this.#add(match, route)
  }

  /** @param path of the request target, without its query */
  find(method: string, path: string): Route | undefined {
    if (this.#isEmpty || !path.startsWith('/')) return undefined // as in OPTIONS *
    const segments = normalPath(path).split('/')
    const last = segments.length - (segments.at(-1) === '' ? 2 : 1)
    return find(this.#root, segments, 1, last, method)
  }

  #add({ path, methods }: RouteMatch, route: Route): void {
    this.#isEmpty = false
    const segments = path.split('/').slice(1)
    const isOpen = segments.at(-1) === '*'
    if (isOpen || segments.at(-1) === '') segments.pop()
    let node = this.#root
    for (const segment of segments) {
      if (segment.startsWith(':')) {
        node.parameter ??= newNode()
        node = node.parameter
        continue
      }
      const text = normalSegment(segment)
      let next = node.literals.get(text)
      if (next === undefined) {
        next = newNode()
        node.literals.set(text, next)
      }
      node = next
    }
    const candidates = isOpen ? node.below : node.here
    if (methods === undefined) candidates.ofAny = route
    else for (const method of methods) candidates.byMethod.set(method, route)
  }
}

/** From segment `index` on; a branch that turns out to have no route for the method is gone back from. */
const find = <Route>(
  node: Node<Route>,
  segments: readonly string[],
  index: number,
  last: number,
  method: string,
): Route | undefined => {
  if (index > last) return pick(node.here, method) ?? pick(node.below, method)
  const literal = node.literals.get(segments[index] as string)
  const byText = literal === undefined ? undefined : find(literal, segments, index + 1, last, method)
  if (byText !== undefined) return byText
  const byParameter = node.parameter === undefined ? undefined : find(node.parameter, segments, index + 1, last, method)
  return byParameter ?? pick(node.below, method)
}

const pick = <Route>({ byMethod, ofAny }: Candidates<Route>, method: string): Route | undefined =>
  byMethod.get(method) ?? ofAny

/** What makes two paths the same to an app, and different to who compares texts: else a limit could be gone round. */
const IRREGULAR = /%|\/\/|\/\.\.?(?:\/|$)/

const normalPath = (path: string): string => {
  if (!IRREGULAR.test(path)) return path
  const segments: string[] = []
  const given = path.split('/').slice(1).map(normalSegment)
  for (const [index, segment] of given.entries()) {
    const isLast = index === given.length - 1
    if (segment === '..') segments.pop()
    else if (segment !== '.' && (segment !== '' || isLast)) segments.push(segment)
    if (isLast && (segment === '.' || segment === '..')) segments.push('')
  }
  return `/${segments.join('/')}`
}

/** Characters that mean the same in either spelling (RFC 3986, section 6.2.2.2) are spelled out. */
const normalSegment = (segment: string): string =>
  segment.includes('%')
    ? segment.replace(/%([0-9a-fA-F]{2})/g, (written, digits: string) => {
        const character = String.fromCharCode(Number.parseInt(digits, 16))
        return /[A-Za-z0-9._~-]/.test(character) ? character : written.toUpperCase()
      })
    : segment
