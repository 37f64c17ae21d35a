/** A position in the write-ahead log (PostgreSQL's `pg_lsn`), in bytes from its beginning. */
export type WalPosition = bigint

export const WAL_START: WalPosition = 0n

/**
 * Reads `16/B374D848`: the upper and the lower half, both hexadecimal.
 *
 * @throws Error for any other text
 */
export const parseWalPosition = (text: string): WalPosition => {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text)
  if (match === null) throw new Error(`"${text}" is no position in the write-ahead log`)
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}
