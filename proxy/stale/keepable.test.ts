import { describe, expect, it } from 'vitest'
import { keepable } from './keepable.ts'

const of = (fields: Readonly<Record<string, string>>, status = 200, request: readonly string[] = []) =>
  keepable({ rawHeaders: request, path: '/a', tags: ['of-route'] }, status, Object.entries(fields).flat())

describe('a reply is kept', () => {
  it.each([
    [{}, Number.POSITIVE_INFINITY, undefined],
    [{ 'Cache-Control': 'public, max-age=60' }, Number.POSITIVE_INFINITY, 60],
    [{ 'Cache-Control': 'max-age=60, must-revalidate' }, 60, 60],
    [{ 'Cache-Control': 'max-age=60, proxy-revalidate, stale-if-error=900' }, 60, 60],
    [{ 'Cache-Control': 'max-age=60, s-maxage=30' }, 30, 30],
    [{ 'Cache-Control': 's-maxage=30, stale-if-error=600' }, 630, 30],
    [{ 'Cache-Control': 'Max-Age=60, STALE-IF-ERROR="10"' }, 70, 60],
    [{ 'Cache-Control': 'max-age=60, max-age=20' }, Number.POSITIVE_INFINITY, 20],
    [{ Expires: 'Sat, 28 Nov 2026 12:01:00 GMT', Date: 'Sat, 28 Nov 2026 12:00:00 GMT' }, Number.POSITIVE_INFINITY, 60],
    [{ Expires: '0' }, Number.POSITIVE_INFINITY, 0],
  ])('with %j, to be served until %s seconds old', (fields, servableSeconds, freshSeconds) => {
    expect(of(fields as Readonly<Record<string, string>>)).toMatchObject({
      servableSeconds,
      freshSeconds,
      ageSeconds: 0,
    })
  })

  it.each([200, 203, 301, 308])('with status %i', (status) => {
    expect(of({}, status)).toBeDefined()
  })

  it('with what the request had of the fields that it was chosen by', () => {
    const request = ['Accept-Language', 'de', 'accept-encoding', 'br', 'Accept-Encoding', 'gzip']
    expect(of({ Vary: 'Accept-Encoding, accept-language,, Origin' }, 200, request)?.vary).toEqual([
      { lowerName: 'accept-encoding', value: 'br,gzip' },
      { lowerName: 'accept-language', value: 'de' },
      { lowerName: 'origin', value: '' },
    ])
  })

  it('with its type, its tags and those of its route, and whether the app has said anything', () => {
    const fields = {
      'Content-Type': 'text/html',
      'Surrogate-Key': 'a b',
      'Cache-Tag': 'b,c',
      'Cache-Control': 'public',
    }
    expect(of(fields)).toMatchObject({ kind: 'html', tags: ['a', 'b', 'c', 'of-route'], isSaid: true })
    expect(of({})).toMatchObject({ kind: 'other', tags: ['of-route'], isSaid: false })
  })

  it('with the age that it has already', () => {
    expect(of({ Age: '40', 'Cache-Control': 'max-age=60, must-revalidate' })).toMatchObject({ ageSeconds: 40 })
  })
})

describe('a reply is not kept', () => {
  it.each([
    { 'Cache-Control': 'no-store' },
    { 'Cache-Control': 'private, max-age=60' },
    { 'Cache-Control': 'private="X-Name", max-age=60' },
    { 'Cache-Control': 'no-cache' },
    { 'cache-control': 'public, NO-CACHE="set-cookie"' },
    { 'Cache-Control': 'must-revalidate' },
    { 'Cache-Control': 's-maxage=0' },
    { 'Cache-Control': 'max-age=60, must-revalidate', Age: '60' },
    { 'Cache-Control': 'max-age=60; no-store' },
    { 'Cache-Control': 'max-age="60' },
    { 'Cache-Control': 'max-age=-1' },
    { Pragma: 'no-cache' },
    { 'CDN-Cache-Control': 'no-store' },
    { 'Cache-Control': 'max-age=60', 'Surrogate-Control': 'private' },
    { 'CDN-Cache-Control': 'no-cache' },
    { 'Set-Cookie': 'a=b' },
    { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'max-age=60' },
    { Vary: 'Accept, *' },
  ])('with %j', (fields) => {
    expect(of(fields as unknown as Readonly<Record<string, string>>)).toBeUndefined()
  })

  it.each([201, 204, 206, 302, 304, 404, 410, 500, 503])('with status %i', (status) => {
    expect(of({ 'Cache-Control': 'public, max-age=60' }, status)).toBeUndefined()
  })
})
