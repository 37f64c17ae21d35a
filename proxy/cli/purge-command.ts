import { type Command, outcome } from './command.ts'
import { fieldsOf, isFields, listOf, told } from './fields.ts'
import { labelledLines } from './labelled-lines.ts'

/** URLs may have commas in them. */
const SEPARATOR = { url: /,(?=https?:)/i, tag: ',', prefix: /,(?=https?:)/i } as const
/** `--json` has all of them. */
const SHOWN = 5

const MEMBERS = { url: 'urls', tag: 'tags', prefix: 'prefixes' } as const

/** Purges, or tells what became of a purge. */
export const purge: Command = async ({ client, invocation, note }) => {
  const { operand, purge: target, isHard } = invocation
  const reply =
    target === undefined
      ? await client.call('GET', `/api/purges/${encodeURIComponent(operand ?? '')}`)
      : await client.call('POST', '/api/purges', {
          json: {
            ...(target.by === 'everything'
              ? { everything: true }
              : { [MEMBERS[target.by]]: target.values.split(SEPARATOR[target.by]) }),
            ...(isHard && { soft: false }),
          },
        })
  const instances = client.need(reply, 'instances', isFields)
  const { id, kind, values, author, at, delivery } = reply.body
  if (instances.purged !== instances.of)
    note('Not all proxies have carried it out yet: those that are cut off do once they are back.')
  const { state, attempts, error } = fieldsOf(delivery)
  const shown = listOf(values).map(told)
  const more = shown.length > SHOWN ? ` and ${shown.length - SHOWN} more` : ''
  return outcome(
    reply,
    labelledLines([
      ['purge', told(id)],
      ['of', `${told(kind)} ${shown.slice(0, SHOWN).join(', ')}${more}`.trimEnd()],
      ['by', `${told(author)}, ${told(at)}`],
      ['proxies', `${told(instances.purged)} of ${told(instances.of)}`],
      [
        'CDN',
        state === 'local'
          ? 'none'
          : `${told(state)}, attempts: ${told(attempts)}${error === undefined ? '' : `: ${told(error)}`}`,
      ],
    ]),
  )
}
