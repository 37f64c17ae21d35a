import { Prisma } from './generated/client.ts'

/** The database did not answer, or not in time. The message is for the log; a client learns only that it is so. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'
}

/** Prisma's codes for a server that is not reached, refuses us, hangs up, or has no connection left. */
const PRISMA_CODES = new Set(['P1000', 'P1001', 'P1002', 'P1003', 'P1008', 'P1010', 'P1011', 'P1017', 'P2024', 'P2037'])

/**
 * PostgreSQL's classes (Appendix A of its manual): connection exceptions, a transaction rolled back for no fault of its
 * own (a standby cancels a query so), insufficient resources, operator intervention (a shutdown, a statement timeout)
 * and system errors; and the one code with which a former primary refuses to write.
 */
const SQL_STATES = /^(08|40|53|57|58)|^25006$/

/** The driver's own errors carry no code; these are the beginnings of their messages in pg 8. */
const DRIVER_MESSAGES =
  /^(Connection terminated|timeout e|Query read timeout|Client (has encountered|was closed)|Cannot use a pool|Server closed the connection)/

/** Whether the fault is the server's or the network's, so that another server might have answered. */
export const isUnavailability = (error: unknown): boolean => {
  if (error instanceof DatabaseUnavailable) return true
  if (error instanceof Prisma.PrismaClientInitializationError) return true
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    return PRISMA_CODES.has(error.code) || SQL_STATES.test(sqlState(error) ?? '')
  }
  if (!(error instanceof Error)) return false
  if ('syscall' in error) return true
  if ('severity' in error && 'code' in error) return SQL_STATES.test(String(error.code))
  return DRIVER_MESSAGES.test(error.message)
}

/** The SQLSTATE that the driver adapter hides in an error's `meta`. */
const sqlState = (error: Prisma.PrismaClientKnownRequestError): string | undefined => {
  const adapterError = error.meta?.driverAdapterError
  if (!(adapterError instanceof Error)) return undefined
  const { cause } = adapterError
  return typeof cause === 'object' && cause !== null && 'originalCode' in cause ? String(cause.originalCode) : undefined
}
