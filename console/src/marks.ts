// Standard marks: 64 bits, written in binary, highest bit first. A JavaScript number holds 53 bits, so a mark is a string.

export const BITS = 64;

/** The bits that are set, lowest first. */
export function bitsOf(binary: string): number[] {
  return [...binary].reverse().flatMap((digit, bit) => (digit === "1" ? [bit] : []));
}

export function binaryOf(bits: Iterable<number>): string {
  const digits = Array<string>(BITS).fill("0");
  for (const bit of bits) digits[BITS - 1 - bit] = "1";
  return digits.join("").replace(/^0+/, "");
}

/** The length in bytes of UTF-8, which is how the service counts. */
export function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
