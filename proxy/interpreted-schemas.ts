import { z } from 'zod'

/**
 * Imported before any schema is made: zod would compile each at its first use. The proxy uses its own once, at the start,
 * where the compiled ones are a megabyte of memory that nobody uses again.
 */
z.config({ jitless: true })
