import { describe, expect, it } from 'vitest'
import { parseYaml } from './yaml.ts'
import { parseYamlApart } from './yaml-apart.ts'

const longText = (entries: number): string =>
  Array.from({ length: entries }, (_none, index) => `r${index}: {match: {path: /a${index}}}\n`).join('')

describe('YAML that is read apart', () => {
  it.each([
    ['short', 'a: 1'],
    ['long', longText(1_000)],
    ['long and bad', `${longText(1_000)}r1: twice\nb: [`],
    ['empty', ' \n# nothing\n'],
  ])('is read as any other: %s', async (_what, text) => {
    expect(await parseYamlApart(text)).toEqual(parseYaml(text))
  })

  it('holds nothing up, however long it is', async () => {
    const text = longText(6_000)
    const startedAtMs = performance.now()
    let longestMs = 0
    let lastMs = startedAtMs
    const ticking = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs)
      lastMs = performance.now()
    }, 5)
    const parsed = await parseYamlApart(text)
    clearInterval(ticking)
    expect(parsed.kind).toBe('parsed')
    expect(longestMs).toBeLessThan((performance.now() - startedAtMs) / 3)
  })

  it('that would become far more than it is, is refused', async () => {
    const levels = Array.from(
      { length: 9 },
      (_none, level) => `a${level}: &a${level} [${Array(9).fill(level === 0 ? 'x' : `*a${level - 1}`)}]`,
    )
    const parsed = await parseYamlApart(`${levels.join('\n')}\n# ${'x'.repeat(10_000)}`)
    expect(parsed).toMatchObject({
      kind: 'bad',
      problems: [{ path: 'the whole', message: expect.stringMatching(/alias/) }],
    })
  })

  it('is read one after the other, and refused where too many wait', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => parseYamlApart(longText(400))))
    expect(all.filter(({ kind }) => kind === 'parsed')).toHaveLength(8)
    expect(all.find(({ kind }) => kind === 'bad')).toMatchObject({
      problems: [{ path: 'the whole', message: 'others are being read at the moment: send it again' }],
    })
    expect((await parseYamlApart(longText(400))).kind).toBe('parsed')
  })

  it('that grows by aliases is refused, also where each is allowed', async () => {
    const text = `a: &a ${JSON.stringify('x'.repeat(10_000))}\nb: [${Array(50).fill('*a').join(', ')}]`
    expect(await parseYamlApart(text)).toMatchObject({
      kind: 'bad',
      problems: [{ path: 'the whole', message: expect.stringContaining('grows more than 10 times') }],
    })
  })
})
