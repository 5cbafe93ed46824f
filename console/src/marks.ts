// Standard marks: 64 bits, written in binary, highest bit first. No mask is ever a number here: 64 bits do not fit.

/** How many bits a standard mark has. */
export const BITS = 64;

/** The bits of a mask, lowest first. */
export function bitsOf(binary: string): number[] {
  return [...binary].reverse().flatMap((digit, bit) => (digit === "1" ? [bit] : []));
}

/** The mask with these bits. */
export function binaryOf(bits: Iterable<number>): string {
  const digits = Array<string>(BITS).fill("0");
  for (const bit of bits) digits[BITS - 1 - bit] = "1";
  return digits.join("").replace(/^0+/, "");
}

/** Length in bytes of UTF-8, as the service counts. */
export function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
