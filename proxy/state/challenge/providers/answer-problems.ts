import type { z } from 'zod'
import { documentProblems } from '#shared/document-problem.ts'
import type { Verified } from './provider.ts'

/** Names each field of an answer that is not as it should be. */
export const malformedAnswer = (error: z.ZodError): Verified => ({
  result: 'malformed',
  problems: documentProblems(error, 'an answer').map(({ path, message }) => ({
    in: 'body',
    pointer: path === '' ? '' : `/${path}`,
    detail: message,
  })),
})
