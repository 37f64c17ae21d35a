/** Where alerts come from. */
export interface AlertPlace {
  /** Whose fleet it is. */
  readonly service: string
  /** A URL; undefined where nobody has said under which the admin port is reached. */
  readonly dashboard: string | undefined
}
