import type { Policy } from '../policy/schema.ts'

/** How things go, over the last ten seconds. */
export interface Signals {
  /** Requests that a rate limit refused. */
  readonly violationsPerSecond: number
  /** Requests that the app was asked to answer, in all ten seconds. */
  readonly requests: number
  /** Of them, those that it failed at. */
  readonly errorShare: number
  /** Of their time, how much of it the loops of the proxies were busy; the mean of all. */
  readonly busyShare: number
  /** Of the queue for a connection to the app, how much of it was taken; the mean of all. */
  readonly queueShare: number
}

/** `high`: one of them is above what an emergency is entered at. `low`: all are low enough to leave it. */
export type Pressure = 'high' | 'between' | 'low'

/** One of the signals that count, beside what it is held against. */
export interface Reading {
  readonly signal: 'violationsPerSecond' | 'errorShare' | 'busyShare' | 'queueShare'
  readonly value: number
  readonly enterAbove: number
  readonly recoverAt: number
}

export type EmergencyPolicy = Policy['emergency']

/** The signals beside their thresholds. Too few requests say nothing about errors. */
export const readings = (signals: Signals, policy: EmergencyPolicy): readonly Reading[] => {
  const reading = (signal: Reading['signal'], value: number, enterAbove: number): Reading => ({
    ...{ signal, value, enterAbove, recoverAt: enterAbove * policy.recoverAtShare },
  })
  return [
    reading('violationsPerSecond', signals.violationsPerSecond, policy.violationsPerSecond),
    reading('errorShare', signals.requests < policy.minimumRequests ? 0 : signals.errorShare, policy.errorShare),
    reading('busyShare', signals.busyShare, policy.busyShare),
    reading('queueShare', signals.queueShare, policy.busyShare),
  ]
}

export const pressureOf = (all: readonly Reading[]): Pressure => {
  if (all.some(({ value, enterAbove }) => value > enterAbove)) return 'high'
  return all.every(({ value, recoverAt }) => value <= recoverAt) ? 'low' : 'between'
}

/** What the history and the log say: those that are high, or else all. */
export const inWords = (all: readonly Reading[]): string => {
  const high = all.filter(({ value, enterAbove }) => value > enterAbove)
  return (high.length > 0 ? high : all)
    .map(({ signal, value, enterAbove }) => `${signal} ${rounded(value)} (enters above ${rounded(enterAbove)})`)
    .join(', ')
}

/** For people. */
export const rounded = (value: number): number => Math.round(value * 1_000) / 1_000
