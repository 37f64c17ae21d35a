import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A policy for `POLICY_FILE`, until the test is over. @returns its path */
export const policyFile = async (text: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'sidegate-policy-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'policy.yaml')
  await writeFile(path, text)
  return path
}
