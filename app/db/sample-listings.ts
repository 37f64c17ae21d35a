import type { Prisma } from './generated/client.ts'

const GOODS = [
  ['bicycles', 'Touring bicycle', 32_000],
  ['bicycles', 'Cargo bicycle', 145_000],
  ['books', 'Atlas of the night sky', 1_800],
  ['books', 'Bread for every day', 1_200],
  ['furniture', 'Oak table', 28_000],
  ['furniture', 'Reading chair', 9_500],
  ['garden-tools', 'Hand mower', 6_400],
  ['garden-tools', 'Copper watering can', 3_200],
  ['instruments', 'Upright piano', 190_000],
  ['instruments', 'Student violin', 21_000],
] as const

const CITIES = ['Berlin', 'Lyon', 'Porto', 'Kraków', 'Gent', 'Turku'] as const

const STATUSES = ['available', 'available', 'available', 'reserved', 'sold'] as const

const FIRST_AT_MS = Date.UTC(2_026, 0, 1, 8)
const APART_MS = 47 * 60_000

/** The same listings at each call, a UUIDv7 as if made at `createdAt` included; some share a price or a time. */
export const sampleListings = (count: number): Prisma.ListingCreateManyInput[] =>
  Array.from({ length: count }, (_, index) => {
    const [category, name, basePriceCents] = pick(GOODS, index)
    const city = pick(CITIES, index * 5 + Math.floor(index / CITIES.length))
    const createdAtMs = FIRST_AT_MS + Math.floor(index / 3) * APART_MS
    const createdAt = new Date(createdAtMs)
    return {
      id: sampleId(createdAtMs, index),
      title: `${name} no. ${index + 1}`,
      description: `To be collected in ${city}.`,
      category,
      priceCents: basePriceCents + (index % 7) * 500,
      currency: 'EUR',
      city,
      status: pick(STATUSES, index),
      createdAt,
      updatedAt: createdAt,
    }
  })

const pick = <T>(from: readonly T[], index: number): T => from[index % from.length] as T

/** RFC 9562 §5.7, with a count in place of the random bits. */
const sampleId = (atMs: number, index: number): string => {
  const time = atMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${index.toString(16).padStart(12, '0')}`
}
