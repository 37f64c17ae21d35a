import { Document, visit } from 'yaml'
import { type Fields, fieldsOf, told } from './fields.ts'
import { isUnsafe, printable, printableLines } from './printable.ts'
import { problemTable } from './refusal.ts'

/** The policy that is in force, as a file that could be applied again; what is not of it stands in comments. */
export const policyYaml = ({ version, refused, policy }: Fields): string =>
  commented([`version ${told(version)}`, ...(refused === undefined ? [] : refusedComments(fieldsOf(refused)))], policy)

/** One of the history, as its author wrote it. */
export const versionYaml = ({ version, author, at, document }: Fields): string =>
  commented([`version ${told(version)}, by ${told(author)}, ${told(at)}`], document)

const commented = (comments: readonly string[], value: unknown): string => {
  const document = new Document(value)
  visit(document, {
    Scalar: (_key, node) => {
      // Within these quotes an escape is one, so that what is printed still says the same.
      if (typeof node.value === 'string' && isUnsafe(node.value)) node.type = 'QUOTE_DOUBLE'
    },
  })
  const yaml = printableLines(
    document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER }),
  )
  return [...comments.map((comment) => `# ${printable(comment)}`), yaml.trimEnd()].join('\n')
}

const refusedComments = ({ version, problems }: Fields): readonly string[] => [
  `This instance cannot use version ${told(version)}, which is newer:`,
  ...(problemTable(problems)?.split('\n') ?? []),
]
