import { type CompiledPolicy, compilePolicy } from '../state/policy/compile.ts'
import { readPolicy } from '../state/policy/read.ts'

/** A policy that is in force, until a test puts another in its place. */
export class TestPolicies {
  #active: CompiledPolicy

  constructor(document: unknown) {
    this.#active = compiled(1, document)
  }

  get active(): CompiledPolicy {
    return this.#active
  }

  change(document: unknown): void {
    this.#active = compiled(this.#active.version + 1, document)
  }
}

/** @throws Error where the document is no policy: the test is wrong */
const compiled = (version: number, document: unknown): CompiledPolicy => {
  const reading = readPolicy(document)
  if (reading.kind === 'bad') throw new Error(JSON.stringify(reading.problems))
  return compilePolicy(version, reading.policy)
}
