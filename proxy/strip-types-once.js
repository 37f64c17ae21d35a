import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'

/**
 * Preloaded by the proxy's Node (node-options.ts): what TypeScript is without its types is made once and kept, so that
 * only the first start loads the transpiler (25 MB). Node's own cache keeps that, too, but with compiled code beside it,
 * and both in the memory of each process that reads them (docs/decisions/0022-idle-memory.md).
 *
 * JavaScript itself: nothing could strip its types without the transpiler.
 */
const KEPT = new URL('../node_modules/.cache/stripped/', import.meta.url)

/** @param {string} url of a TypeScript file */
const stripped = (url) => {
  const typed = readFileSync(new URL(url), 'utf8')
  const file = new URL(`${hash('sha256', url)}.js`, KEPT)
  // Last in the file, so that no line moves, and what has been cut off is not taken for the whole.
  const origin = `\n//${hash('sha256', process.version + typed)}`
  const kept = read(file)
  if (kept?.endsWith(origin)) return kept
  const made = stripTypeScriptTypes(typed) + origin
  keep(file, made)
  return made
}

const read = (file) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined // not kept yet
  }
}

const keep = (file, text) => {
  const draft = new URL(`${file}.${process.pid}`)
  try {
    mkdirSync(KEPT, { recursive: true })
    writeFileSync(draft, text)
    renameSync(draft, file)
  } catch {
    // The folder cannot be written: every start is a first one.
  }
}

registerHooks({
  load: (url, context, nextLoad) =>
    url.endsWith('.ts') ? { format: 'module', source: stripped(url), shortCircuit: true } : nextLoad(url, context),
})
