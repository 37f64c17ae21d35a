import { LineCounter, parseDocument } from 'yaml'
import type { DocumentProblem } from './document-problem.ts'

export type ParsedText =
  | { readonly kind: 'parsed'; readonly document: unknown }
  | { readonly kind: 'bad'; readonly problems: readonly DocumentProblem[] }

const EMPTY: ParsedText = {
  kind: 'bad',
  problems: [{ path: 'the whole', message: 'is empty: write {} for one without entries' }],
}

/** Aliases of YAML can make a small text a large document. */
const ALIASES_LIMIT = 100

/** Reads YAML, of which JSON is a part. A text with nothing in it is refused: nobody can tell whether it is meant. */
export const parseYaml = (text: string): ParsedText => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false })
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos }) => {
      const { line, col } = lines.linePos(pos[0])
      return { path: `line ${line}, column ${col}`, message }
    })
    return { kind: 'bad', problems }
  }
  try {
    const read: unknown = document.toJS({ maxAliasCount: ALIASES_LIMIT })
    return read === null || read === undefined ? EMPTY : { kind: 'parsed', document: read }
  } catch (error) {
    return { kind: 'bad', problems: [{ path: 'the whole', message: (error as Error).message }] }
  }
}
