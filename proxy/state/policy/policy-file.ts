import { readFileSync } from 'node:fs'
import { ConfigurationError } from '#shared/environment.ts'
import { defaultPolicy, readPolicy } from './read.ts'
import type { Policy } from './schema.ts'

export interface InitialPolicy {
  readonly policy: Policy
  readonly document: unknown
  readonly author: string
}

/**
 * The policy to begin with.
 *
 * @throws ConfigurationError that names all that is wrong with the file
 */
export const initialPolicy = async (path: string | undefined): Promise<InitialPolicy> => {
  if (path === undefined) return defaults()
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigurationError([`POLICY_FILE: ${(error as Error).message}: name a file that this user may read`])
  }
  // Loaded where there is a file only: it would be memory that nobody uses.
  const { parseYaml } = await import('#shared/yaml.ts')
  const parsed = parseYaml(text)
  const reading = parsed.kind === 'bad' ? parsed : readPolicy(parsed.document)
  if (reading.kind === 'bad') {
    throw new ConfigurationError(
      reading.problems.map((problem) => `POLICY_FILE ${path}: ${problem.path}: ${problem.message}`),
    )
  }
  return { policy: reading.policy, document: parsed.kind === 'parsed' ? parsed.document : {}, author: path }
}

const defaults = (): InitialPolicy => ({ policy: defaultPolicy(), document: {}, author: 'defaults' })
