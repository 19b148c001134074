/** By how many percent a price dropped, without its fractions. */
export function dropped(from: number, to: number): number {
  if (!Number.isFinite(to)) {
    throw new RangeError("a price must be a finite number");
  }
  return Math.floor(((from - to) / from) * 100);
}
