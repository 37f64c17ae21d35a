import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { GENERATED_CLIENT_DIR, generatePrismaClient } from '../app/db/generate.ts'
import { cliFields } from '../proxy/cli/settings.ts'
import { proxyFields } from '../proxy/settings.ts'
import { policySchema } from '../proxy/state/policy/schema.ts'
import { commonFields } from '../shared/environment.ts'
import { redisFields } from '../shared/redis/settings.ts'
import { environmentPage } from './environment-page.ts'
import { policyPage } from './policy-page.ts'

/**
 * Makes the files that are made from others, and are committed so that a reader and a reviewer see them.
 *
 *     node deploy/generate.ts           writes them
 *     node deploy/generate.ts --check   fails, naming each that is not as it would be written
 */
interface Generator {
  /** The file or the folder that it owns whole, from the root of the repository. */
  readonly path: string
  /** Writes `path` below `root`, whose folders exist. */
  generate(root: string): Promise<void>
}

const textFile = (path: string, text: () => Promise<string>): Generator => ({
  path,
  generate: async (root) => writeFile(join(root, path), await text()),
})

/** What stands in a table of its own. */
const COMMON = Object.fromEntries(
  Object.keys({ ...redisFields, ...commonFields }).map((name) => [name, true]),
) as Record<keyof typeof redisFields | keyof typeof commonFields, true>

/** Of what an operator writes, and not of what becomes of it. */
const policyJsonSchema = z.toJSONSchema(policySchema, { io: 'input', unrepresentable: 'any' })

/** In this order: what is described stands on the client, and so is imported only once that is there. */
const GENERATORS: readonly Generator[] = [
  { path: GENERATED_CLIENT_DIR, generate: generatePrismaClient },
  textFile('docs/openapi-app.json', async () => (await import('../app/openapi-document.ts')).openApiDocument()),
  textFile('docs/openapi-admin.json', async () => (await import('../proxy/admin/openapi.ts')).adminOpenApiDocument()),
  textFile('docs/policy.md', async () => policyPage(policyJsonSchema)),
  textFile('docs/policy.schema.json', async () => `${JSON.stringify(policyJsonSchema, null, 2)}\n`),
  textFile('docs/environment.md', async () =>
    environmentPage([
      { title: 'The proxy', schema: proxyFields.omit(COMMON) },
      { title: 'The app', schema: (await import('../app/settings.ts')).appFields.omit(COMMON) },
      { title: 'Both', schema: z.object({ ...redisFields, ...commonFields }) },
      { title: 'The CLI', schema: cliFields },
    ]),
  ),
]

const ROOT = join(import.meta.dirname, '..')

const generateBelow = async (root: string, { path, generate }: Generator): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await generate(root)
}

/** The files at a path, itself or below it, from `root`; none where there is nothing. */
const filesAt = async (root: string, path: string): Promise<string[]> => {
  const full = join(root, path)
  const found = await stat(full).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return []
  if (!found.isDirectory()) return [path]
  const entries = await readdir(full, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

/** What differs at a path between the files that are there and those that would be written. */
const staleFiles = async (root: string, freshRoot: string, path: string): Promise<string[]> => {
  const present = new Set(await filesAt(root, path))
  const fresh = new Set(await filesAt(freshRoot, path))
  const stale: string[] = []
  for (const file of present.union(fresh)) {
    if (!present.has(file)) stale.push(`${file}: missing`)
    else if (!fresh.has(file)) stale.push(`${file}: no longer generated`)
    else if (!(await readFile(join(root, file))).equals(await readFile(join(freshRoot, file)))) {
      stale.push(`${file}: stale`)
    }
  }
  return stale
}

const check = async (): Promise<readonly string[]> => {
  const freshRoot = await mkdtemp(join(tmpdir(), 'sidegate-generate-'))
  const problems: string[] = []
  try {
    for (const generator of GENERATORS) {
      try {
        await generateBelow(freshRoot, generator)
        problems.push(...(await staleFiles(ROOT, freshRoot, generator.path)))
      } catch (error) {
        problems.push(`${generator.path}: cannot be generated: ${error instanceof Error ? error.message : error}`)
      }
    }
  } finally {
    await rm(freshRoot, { recursive: true, force: true })
  }
  return problems
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const problems = await check()
    if (problems.length > 0) {
      process.stderr.write(
        `Not as generated; run "npm run generate":\n${problems.map((line) => `  ${line}\n`).join('')}`,
      )
      process.exitCode = 1
    }
  } else for (const generator of GENERATORS) await generateBelow(ROOT, generator)
}
