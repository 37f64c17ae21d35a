import { z } from 'zod'

/** What the bodies of replies are made of. */

export const time = () => z.iso.datetime()
export const number = () => z.int().min(0)
export const share = () => z.number().min(0).max(1)
export const text = () => z.string()
