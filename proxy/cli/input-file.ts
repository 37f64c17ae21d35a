import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { fromCallersFolder } from './callers-folder.ts'
import { CliError, EXIT } from './exit-status.ts'

const STANDARD_INPUT = '-'
const DEFAULTS_ALONE = 'a policy of defaults alone is written {}.'

/**
 * A file as it is, byte for byte; `-` is standard input.
 *
 * @param emptyAdvice what it means that there is nothing in it
 * @throws CliError where it cannot be read or is empty
 */
export const readInput = async (file: string, emptyAdvice = DEFAULTS_ALONE): Promise<Buffer> => {
  const name = file === STANDARD_INPUT ? 'Standard input' : file
  const bytes = await read(file).catch((error: Error) => {
    throw new CliError(EXIT.usage, `${name} cannot be read: ${error.message}; name a file that this user may read.`)
  })
  // As a policy it would put every default in force: what a pipe brings whose first command has failed.
  if (bytes.toString('latin1').trim() === '') {
    throw new CliError(EXIT.usage, `${name} is empty; ${emptyAdvice}`)
  }
  return bytes
}

const read = (file: string): Promise<Buffer> =>
  file === STANDARD_INPUT ? buffer(process.stdin) : readFile(fromCallersFolder(file, process.env))
