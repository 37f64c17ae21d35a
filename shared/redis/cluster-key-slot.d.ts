declare module 'cluster-key-slot' {
  /** The slot, of 16,384, of a key; what stands in braces in it decides, where there is something. */
  export default function calculateSlot(key: string): number
}
