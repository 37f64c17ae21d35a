import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Results } from '../results.ts'

/** @returns the files, named for the date of the run */
export const saveResults = async (folder: string, results: Results, report: string): Promise<string[]> => {
  await mkdir(folder, { recursive: true })
  const name = join(folder, results.date.replaceAll(':', '-').replace(/\.\d+/, ''))
  await writeFile(`${name}.json`, `${JSON.stringify(results, null, 2)}\n`)
  await writeFile(`${name}.md`, report)
  return [`${name}.json`, `${name}.md`]
}
