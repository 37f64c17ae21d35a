import { LineCounter, parseDocument } from 'yaml'
import type { DocumentProblem } from './document-problem.ts'

export type ParsedText =
  | { readonly kind: 'parsed'; readonly document: unknown }
  | { readonly kind: 'bad'; readonly problems: readonly DocumentProblem[] }

/** Aliases of YAML can make a small text a large document. */
const ALIASES_LIMIT = 100

/** Reads YAML, of which JSON is a part. An empty text is an empty document. */
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
    return { kind: 'parsed', document: document.toJS({ maxAliasCount: ALIASES_LIMIT }) ?? {} }
  } catch (error) {
    return { kind: 'bad', problems: [{ path: 'the whole', message: (error as Error).message }] }
  }
}
