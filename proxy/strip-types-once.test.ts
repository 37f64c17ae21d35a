import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strip-'))
  mkdirSync(join(folder, 'proxy'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  cpSync('proxy/strip-types-once.js', join(folder, 'proxy/strip-types-once.js'))
})

afterEach(() => rmSync(folder, { recursive: true }))

/** Runs a program that says a word, as the proxy is run. @returns with whether Node needed the transpiler for it */
const run = async (word: string): Promise<{ said: string; isTranspiled: boolean; warnings: string }> => {
  const program = `
    const word: string = '${word}'
    console.log(JSON.stringify({ said: word, isTranspiled: process.moduleLoadList.some((name) => name.includes('amaro')) }))`
  writeFileSync(join(folder, 'proxy/program.ts'), program)
  const flags = [`--import=${join(folder, 'proxy/strip-types-once.js')}`, '--disable-warning=ExperimentalWarning']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, join(folder, 'proxy/program.ts')])
  return { ...JSON.parse(stdout), warnings: stderr }
}

const keptFolder = (): string => join(folder, 'node_modules/.cache/stripped')

const keptFile = (): string => {
  const [name, ...others] = readdirSync(keptFolder())
  expect(others).toEqual([])
  return join(keptFolder(), name as string)
}

it('strips types once', async () => {
  expect(await run('one')).toEqual({ said: 'one', isTranspiled: true, warnings: '' })
  expect(await run('one')).toEqual({ said: 'one', isTranspiled: false, warnings: '' })
})

it('strips a file that has changed again, and keeps that in the place of the first', async () => {
  await run('one')
  expect(await run('two')).toMatchObject({ said: 'two', isTranspiled: true })
  expect(await run('two')).toMatchObject({ said: 'two', isTranspiled: false })
  keptFile()
})

it('does not take a part of what was kept for the whole', async () => {
  await run('one')
  const whole = readFileSync(keptFile(), 'utf8')
  writeFileSync(keptFile(), whole.slice(0, whole.indexOf('console')))
  expect(await run('one')).toMatchObject({ said: 'one', isTranspiled: true })
  expect(readFileSync(keptFile(), 'utf8')).toBe(whole)
})

it('runs what it cannot keep', async () => {
  writeFileSync(join(folder, 'node_modules'), 'no folder')
  expect(await run('one')).toMatchObject({ said: 'one', isTranspiled: true })
  expect(await run('one')).toMatchObject({ said: 'one', isTranspiled: true })
})
