import type { Version } from '#shared/redis/shared-document.ts'

/** How a version that has just been applied is watched. */
export interface Probation {
  readonly since: string
  readonly until: string
  /** The version to go back to: the last that was not on probation itself. */
  readonly base: number
  /** That one's, for it may be out of the history by then, or the history out of reach. */
  readonly baseDocument: unknown
}

/** A version with who made it. */
export interface PolicyVersion {
  readonly version: number
  /** As its author wrote it, without the defaults. */
  readonly document: unknown
  readonly author: string
  readonly at: string
  /** Why, where there was more to say than who. */
  readonly reason?: string
  /** The share of refused and failed replies before it, for it and those that follow soon to be measured by. */
  readonly badShareBefore?: number
  readonly probation?: Probation
}

/** As operators are told of it: the document may be long, and is in the history. */
export const withoutDocument = <Told extends Probation>({
  baseDocument: _long,
  ...told
}: Told): Omit<Told, 'baseDocument'> => told

export const versionBody = (version: Omit<PolicyVersion, 'version'>): string => JSON.stringify(version)

/** Undefined where what is in Redis is none. */
export const parseVersion = ({ version, body }: Version): PolicyVersion | undefined => {
  try {
    const { document, author, at, reason, badShareBefore, probation } = JSON.parse(body) as Omit<
      PolicyVersion,
      'version'
    >
    return {
      ...{ version, document, author: String(author), at: String(at) },
      ...(reason !== undefined && { reason: String(reason) }),
      ...(Number.isFinite(badShareBefore) && { badShareBefore: badShareBefore as number }),
      ...(isProbation(probation) && { probation }),
    }
  } catch {
    return undefined // told of as a refused version
  }
}

const isProbation = (found: Probation | undefined): found is Probation =>
  found !== undefined &&
  !Number.isNaN(Date.parse(found.since)) &&
  !Number.isNaN(Date.parse(found.until)) &&
  Number.isSafeInteger(found.base) &&
  found.baseDocument !== undefined
