import type { FieldProblem } from '#shared/problem.ts'
import type { Policy } from '../../policy/schema.ts'
import type { AnswerResult } from '../counts.ts'

/** Who is asked, or answers. */
export interface Challenged {
  /** Who counts as one client: the address prefix. */
  readonly key: string
  readonly address: string
  /** That the request is for, without its port. */
  readonly hostname: string
}

/** What is to be solved: goes to the client as it is, in JSON. */
export interface Puzzle {
  readonly provider: Policy['challenge']['provider']
  readonly [member: string]: unknown
}

/** What was made of an answer. */
export type Verified =
  | { readonly result: Exclude<AnswerResult, 'malformed' | 'limited'> /** For the log. */; readonly reason?: string }
  | { readonly result: 'malformed'; readonly problems: readonly FieldProblem[] }

/** What a page of a third party's provider loads: a script, and the origins that it may reach. */
export interface ThirdParty {
  readonly script: string
  /** Sources of a Content-Security-Policy. */
  readonly sources: string
  /** Whether its styles come from there, and its requests go there, too. */
  readonly isWide: boolean
  /** Of the element that the script turns into a widget. */
  readonly widgetClass: string
}

/** A way of telling a browser with a person from a flood. */
export interface Provider {
  readonly name: Policy['challenge']['provider']
  /** Undefined where the page needs nothing of anybody. */
  readonly thirdParty: ThirdParty | undefined
  puzzle(client: Challenged, policy: Policy['challenge']): Puzzle
  /** Ends by a deadline of its own, and never rejects. @param answer whatever came */
  verify(answer: unknown, client: Challenged, policy: Policy['challenge']): Promise<Verified>
}
