import { type Arbitrary, array, integer, nat, oneof } from 'fast-check';

/** Of every code point there is. fast-check's own unit for that takes a second of each process to set up (4.10). */
const CHARACTERS = oneof(
  nat(0x7f),
  integer({ min: 0, max: 0xd7ff }),
  integer({ min: 0xe000, max: 0x10ffff }),
);

export function textOf({ maxLength }: { readonly maxLength: number }): Arbitrary<string> {
  return array(CHARACTERS, { maxLength }).map((points) => String.fromCodePoint(...points));
}
