/**
 * Flags that the proxy runs with. The bytes that it carries lie in buffers outside V8's heap, which go only when their
 * small owners inside are collected; with V8's default of 16 MiB for those, 256 MiB carried each way left 88 MiB
 * uncollected, with this 30 MiB (docs/decisions/0002-small-semi-space.md).
 */
export const proxyNodeFlags: readonly string[] = ['--max-semi-space-size=1']
