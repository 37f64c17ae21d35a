import type { EmergencyMode } from './machine.ts'

/** What an operator wants. */
export interface EmergencyOrder {
  readonly mode: EmergencyMode
  readonly by: string
  readonly reason?: string | undefined
  /** After which it is `auto` again. */
  readonly seconds?: number | undefined
}

/** An order on its way to other processes of this machine. */
export interface PassedOrder extends EmergencyOrder {
  readonly id: string
  readonly orderedAtMs: number
}
