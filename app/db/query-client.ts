import type { Prisma, PrismaClient } from './generated/client.ts'

/** Prisma makes one statement of those that are called at the same time, whoever calls them: nobody's own to cancel. */
type Joined = 'findUnique' | 'findUniqueOrThrow'

type Separate<Member> = Member extends { findUnique: unknown } ? Omit<Member, Joined> : Member

/**
 * What queries are made with: Prisma, without what joins the queries of several requests. Of one row, `findFirst`; of
 * several statements, the transaction that is a function.
 */
export type QueryClient = {
  readonly [Name in Exclude<keyof PrismaClient, '$transaction' | '$connect' | '$disconnect'>]: Separate<
    PrismaClient[Name]
  >
} & {
  $transaction<T>(
    work: (transaction: Prisma.TransactionClient) => Promise<T>,
    options?: { readonly maxWait?: number; readonly timeout?: number },
  ): Promise<T>
}
