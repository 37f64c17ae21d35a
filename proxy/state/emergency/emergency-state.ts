/**
 * How things are, for the whole fleet:
 *
 *     calm ──▶ emergency ──▶ recovering ──▶ calm
 *                  ▲             │
 *                  └─────────────┘
 *
 * The policy says what is otherwise in an emergency. While recovering, all of it stays in force but the shedding.
 */
export type EmergencyState = 'calm' | 'emergency' | 'recovering'

/** What requests are told of it. */
export interface EmergencyReading {
  readonly state: EmergencyState
}
