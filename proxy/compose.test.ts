import { describe, expect, it } from 'vitest'
import { compose, type Pipeline } from './compose.ts'
import type { Exchange } from './exchange.ts'
import { Later, type Layer, PASS, type Verdict } from './layer.ts'
import type { Outcome } from './outcome.ts'
import { type Refusal, refusal } from './refusal.ts'
import type { Reply } from './reply.ts'

const outcome: Outcome = { kind: 'replied', status: 200, refusal: undefined, durationMs: 1, bodyBytes: 0 }

const reply = (body: string): Reply => ({ head: { status: 200, statusText: 'OK', headers: [] }, body })

/** Writes down what is called, in order. */
class Journal {
  readonly entries: string[] = []
  readonly failures: [string, unknown][] = []

  layer(name: string, admit: () => Verdict | Later = () => PASS): Layer {
    return {
      name,
      admit: () => {
        this.entries.push(`${name} admit`)
        return admit()
      },
      onReply: () => {
        this.entries.push(`${name} reply`)
      },
      onFinish: () => {
        this.entries.push(`${name} finish`)
      },
    }
  }

  rescue(name = 'rescue'): Layer {
    return { ...this.layer(name), recover: (_exchange, refused) => reply(`rescued ${refused.kind}`) }
  }

  pipeline(...layers: Layer[]): Pipeline {
    return compose(
      layers,
      () => this.entries.push('forward'),
      (layer, error) => this.failures.push([layer, error]),
    )
  }
}

/** All of an exchange that the pipeline touches; an answer is taken as the real one takes it. */
const exchangeThrough = (journal: Journal) => {
  const answers: (Refusal | Reply)[] = []
  const exchange = {
    depth: 0,
    isAnswered: false,
    answer: (given: Refusal | Reply) => {
      exchange.isAnswered = true
      journal.entries.push('answer')
      answers.push(given)
    },
  }
  return { exchange: exchange as unknown as Exchange, answers }
}

const endIt = (pipeline: Pipeline, exchange: Exchange): void => {
  pipeline.onReply(exchange, { status: 200, statusText: 'OK', headers: [] })
  pipeline.onFinish(exchange, outcome)
}

describe('a request that every layer admits', () => {
  it('goes down the list to the forward, its reply back up, and its end after that', () => {
    const journal = new Journal()
    const pipeline = journal.pipeline(journal.layer('outer'), journal.rescue(), journal.layer('inner'))
    const { exchange } = exchangeThrough(journal)
    pipeline.handle(exchange)
    endIt(pipeline, exchange)
    expect(journal.entries).toEqual([
      ...['outer admit', 'rescue admit', 'inner admit', 'forward'],
      ...['inner reply', 'rescue reply', 'outer reply'],
      ...['inner finish', 'rescue finish', 'outer finish'],
    ])
  })

  it('meets layers that lack any of the hooks', () => {
    const journal = new Journal()
    const pipeline = journal.pipeline(
      { name: 'bare' },
      { name: 'rescue', recover: () => reply('') },
      journal.layer('a'),
    )
    const { exchange } = exchangeThrough(journal)
    pipeline.handle(exchange)
    endIt(pipeline, exchange)
    expect(journal.entries).toEqual(['a admit', 'forward', 'a reply', 'a finish'])
  })
})

describe('a request that a layer refuses', () => {
  it('goes no further, and is seen again by those above the refusing layer alone', () => {
    const journal = new Journal()
    const refused = refusal('malformed-request', 'a test')
    const pipeline = journal.pipeline(
      journal.rescue(),
      journal.layer('above'),
      journal.layer('gate', () => refused),
      journal.layer('below'),
    )
    const { exchange, answers } = exchangeThrough(journal)
    pipeline.handle(exchange)
    endIt(pipeline, exchange)
    expect(answers).toEqual([refused])
    expect(journal.entries).toEqual([
      ...['rescue admit', 'above admit', 'gate admit', 'answer'],
      ...['above reply', 'rescue reply', 'above finish', 'rescue finish'],
    ])
  })

  it('or answers itself is answered with just that', () => {
    const journal = new Journal()
    const own = reply('mine')
    const { exchange, answers } = exchangeThrough(journal)
    journal
      .pipeline(
        journal.rescue(),
        journal.layer('own', () => own),
        journal.layer('below'),
      )
      .handle(exchange)
    expect(answers).toEqual([own])
    expect(journal.entries).toEqual(['rescue admit', 'own admit', 'answer'])
  })
})

describe('a layer that fails', () => {
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['true', true],
    ['a word', 'pass'],
    ['an object of some other kind', {}],
  ])('in that it returns %s has refused, and never admitted', (_what, verdict) => {
    const journal = new Journal()
    const { exchange, answers } = exchangeThrough(journal)
    const forgetful = journal.layer('forgetful', () => verdict as unknown as Verdict)
    const pipeline = journal.pipeline(journal.rescue(), forgetful, journal.layer('below'))
    pipeline.handle(exchange)
    endIt(pipeline, exchange)
    expect(answers).toMatchObject([{ kind: 'internal-error', reason: 'layer forgetful gave no verdict' }])
    expect(journal.entries).toEqual(['rescue admit', 'forgetful admit', 'answer', 'rescue reply', 'rescue finish'])
  })

  it('in that it throws has refused with an internal error that keeps the cause', () => {
    const journal = new Journal()
    const cause = new Error('broken')
    const { exchange, answers } = exchangeThrough(journal)
    const broken = journal.layer('broken', () => {
      throw cause
    })
    journal.pipeline(journal.rescue(), broken, journal.layer('below')).handle(exchange)
    expect(answers).toMatchObject([{ kind: 'internal-error', reason: 'layer broken failed', cause }])
    expect(journal.entries).toEqual(['rescue admit', 'broken admit', 'answer'])
  })

  it('at the reply is told of, and keeps none of the others from it', () => {
    const journal = new Journal()
    const cause = new Error('broken')
    const broken: Layer = {
      name: 'broken',
      onReply: () => {
        throw cause
      },
    }
    const pipeline = journal.pipeline(journal.rescue(), journal.layer('above'), broken, journal.layer('below'))
    const { exchange } = exchangeThrough(journal)
    pipeline.handle(exchange)
    const failed = pipeline.onReply(exchange, { status: 200, statusText: 'OK', headers: [] })
    expect(failed).toMatchObject({ kind: 'internal-error', reason: 'layer broken failed at the reply', cause })
    expect(journal.entries.slice(-3)).toEqual(['below reply', 'above reply', 'rescue reply'])
  })

  it('at the end is reported, and keeps none of the others from it', () => {
    const journal = new Journal()
    const cause = new Error('broken')
    const broken: Layer = {
      name: 'broken',
      onFinish: () => {
        throw cause
      },
    }
    const pipeline = journal.pipeline(journal.rescue(), journal.layer('above'), broken, journal.layer('below'))
    const { exchange } = exchangeThrough(journal)
    pipeline.handle(exchange)
    pipeline.onFinish(exchange, outcome)
    expect(journal.entries.slice(-3)).toEqual(['below finish', 'above finish', 'rescue finish'])
    expect(journal.failures).toEqual([['broken', cause]])
  })
})

describe('a verdict that comes later', () => {
  const pending = () => {
    const { promise, resolve, reject } = Promise.withResolvers<Verdict>()
    const journal = new Journal()
    const waiting = journal.layer('waiting', () => new Later(promise))
    const pipeline = journal.pipeline(journal.layer('above'), journal.rescue(), waiting, journal.layer('below'))
    const { exchange, answers } = exchangeThrough(journal)
    pipeline.handle(exchange)
    /** After the promise has been heard. */
    const heard = () => new Promise<void>((done) => setImmediate(done))
    return { journal, pipeline, exchange, answers, resolve, reject, heard }
  }

  it('holds the request up until it is there, and then it goes on down', async () => {
    const { journal, resolve, heard } = pending()
    const before = ['above admit', 'rescue admit', 'waiting admit']
    expect(journal.entries).toEqual(before)
    resolve(PASS)
    await heard()
    expect(journal.entries).toEqual([...before, 'below admit', 'forward'])
  })

  it('may be a refusal, of which the layers above hear', async () => {
    const { journal, pipeline, exchange, answers, resolve, heard } = pending()
    resolve(refusal('rate-limited'))
    await heard()
    endIt(pipeline, exchange)
    expect(answers).toMatchObject([{ kind: 'rate-limited' }])
    expect(journal.entries.slice(3)).toEqual([
      ...['answer', 'rescue reply', 'above reply', 'rescue finish', 'above finish'],
    ])
  })

  it('comes too late for who has left', async () => {
    const { journal, pipeline, exchange, resolve, heard } = pending()
    Object.assign(exchange, { isAnswered: true })
    pipeline.onFinish(exchange, outcome)
    const ended = [...journal.entries]
    resolve(PASS)
    await heard()
    expect(journal.entries).toEqual(ended)
  })

  it('that never becomes one is a failure of its layer, and no admission', async () => {
    const { answers, reject, heard } = pending()
    reject(new Error('asked in vain'))
    await heard()
    expect(answers).toMatchObject([{ kind: 'internal-error', reason: 'layer waiting failed' }])
    const other = pending()
    other.resolve(undefined as never)
    await other.heard()
    expect(other.answers).toMatchObject([{ kind: 'internal-error', reason: 'layer waiting gave no verdict' }])
  })
})

describe('a refusal', () => {
  it('is offered from the innermost layer up until one makes a reply of it', () => {
    const journal = new Journal()
    const stale: Layer = {
      name: 'stale',
      recover: (_exchange, refused) => (refused.kind === 'upstream-failed' ? reply('stale') : refused),
    }
    const pipeline = journal.pipeline(journal.rescue(), stale)
    const { exchange } = exchangeThrough(journal)
    expect(pipeline.recover(exchange, refusal('upstream-failed')).body).toBe('stale')
    expect(pipeline.recover(exchange, refusal('upstream-busy')).body).toBe('rescued upstream-busy')
  })

  it('may be turned into another on its way', () => {
    const journal = new Journal()
    const softer: Layer = { name: 'softer', recover: () => refusal('upstream-busy') }
    const pipeline = journal.pipeline(journal.rescue(), softer)
    expect(pipeline.recover(exchangeThrough(journal).exchange, refusal('upstream-failed')).body).toBe(
      'rescued upstream-busy',
    )
  })

  it('becomes an internal error where a layer fails to recover it', () => {
    const journal = new Journal()
    const broken: Layer = {
      name: 'broken',
      recover: () => {
        throw new Error('broken')
      },
    }
    const pipeline = journal.pipeline(journal.rescue(), broken)
    expect(pipeline.recover(exchangeThrough(journal).exchange, refusal('upstream-failed')).body).toBe(
      'rescued internal-error',
    )
  })
})

it('a list in which no layer makes a reply of a refusal is no pipeline', () => {
  const journal = new Journal()
  expect(() => journal.pipeline(journal.layer('a'))).toThrow('no layer makes a reply of a refusal')
})
