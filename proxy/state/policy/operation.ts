import type { Policy } from './schema.ts'

/** What a kind of the app's work may take. Of what is not set here, the environment decides (`upstream/limits.ts`). */
export type Operation = { readonly name: string } & Policy['operations']['read']

/** The operations of a policy, by name; what routes do not name is `read` or `write`, by the method. */
export class Operations {
  readonly #byName: ReadonlyMap<string, Operation>
  readonly #read: Operation
  readonly #write: Operation

  constructor(operations: Policy['operations']) {
    this.#byName = new Map(Object.entries(operations).map(([name, operation]) => [name, { name, ...operation }]))
    this.#read = this.#named('read')
    this.#write = this.#named('write')
  }

  /** @param named by the route, which checks.ts has seen to be there */
  find(method: string, named: string | undefined): Operation {
    if (named !== undefined) return this.#named(named)
    return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? this.#read : this.#write
  }

  #named(name: string): Operation {
    return this.#byName.get(name) as Operation
  }
}
