import { createHmac, randomBytes } from 'node:crypto'

/** A secret of the keyring, as what is made of it: each use has a key of its own, so that none can be taken for another's. */
export interface ChallengeKey {
  readonly id: string
  /** A text, as the libraries of ALTCHA have it. */
  readonly puzzle: string
  readonly clearance: Buffer
  /** Tells clients apart without naming them. */
  readonly client: Buffer
}

/** The keys that are good now. */
export interface ChallengeKeys {
  /** Signs. */
  readonly primary: ChallengeKey
  /** Verify, the primary included. */
  readonly byId: ReadonlyMap<string, ChallengeKey>
}

export const challengeKey = (id: string, secret: string): ChallengeKey => {
  const derived = (use: string) => createHmac('sha256', secret).update(`sidegate ${use}`).digest()
  return { id, puzzle: derived('puzzle').toString('hex'), clearance: derived('clearance'), client: derived('client') }
}

/** Of one secret. */
export const soleKey = (id: string, secret: string): ChallengeKeys => {
  const primary = challengeKey(id, secret)
  return { primary, byId: new Map([[id, primary]]) }
}

/** A secret for one process, or for a fleet that is given it. */
export const newSecret = (): string => randomBytes(32).toString('base64url')

/** As a variable of the environment or a line of the keyring has it. */
export const SECRET = /^[!-~]{32,512}$/
