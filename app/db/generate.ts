import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** Where the client of `schema.prisma` stands, beside it. */
export const GENERATED_CLIENT_DIR = 'app/db/generated'

/** Writes the Prisma client to `<root>/app/db/generated`. */
export const generatePrismaClient = async (root: string): Promise<void> => {
  // The schema names its output relative to itself, so that a copy of it writes elsewhere.
  const schema = join(root, 'app/db/schema.prisma')
  const source = join(import.meta.dirname, 'schema.prisma')
  if (schema !== source) await copyFile(source, schema)
  await rm(join(root, GENERATED_CLIENT_DIR), { recursive: true, force: true })
  const require = createRequire(import.meta.url)
  const { bin } = require('prisma/package.json') as { bin: { prisma: string } }
  const program = join(dirname(require.resolve('prisma/package.json')), bin.prisma)
  const home = await mkdtemp(join(tmpdir(), 'sidegate-prisma-'))
  try {
    await promisify(execFile)(process.execPath, [program, 'generate', '--schema', schema], {
      cwd: home, // no prisma.config.ts and no .env of anybody's
      env: {
        ...process.env,
        // Any file that exists: `generate` does not run the engine, but would download it.
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        PRISMA_HIDE_UPDATE_MESSAGE: 'true',
        CHECKPOINT_DISABLE: '1',
      },
    })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
