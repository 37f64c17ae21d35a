/**
 * Gives back the memory of bytes that nobody will look at again, now and not when a collection finds them: Node reads into
 * 64 KiB at a time, and with what is kept of each lying between, thousands of reads would take a hundred megabytes.
 *
 * Bytes that share their memory with others keep it.
 */
export const release = (bytes: Buffer): void => {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) buffer.transfer(0)
}
