/** Half-open: `start` is sent, `end` is not. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a `Range` header comes to: the parts in the order they were asked for, or why there are none. */
export type RequestedRanges = readonly ByteRange[] | 'whole' | 'unsatisfiable' | 'too-many';

/**
 * As many as podman and CRI-O put into one request for a zstd:chunked layer (containers/storage v1.59
 * `maxNumberMissingChunks`); refused more, they merge and ask again.
 */
export const MOST_RANGES = 1024;

/**
 * Reads a `Range` header for content of `size` bytes (RFC 9110 section 14). What is malformed, in another unit, or of
 * empty content is answered whole. So are parts that together exceed the content: they overlap, and the whole is less.
 */
export function rangesOf(header: string | undefined, size: number): RequestedRanges {
  if (header === undefined || size === 0) return 'whole';
  const specs = /^ *bytes *= *(.*)$/i.exec(header)?.[1];
  if (specs === undefined) return 'whole';
  const wanted = specs.split(',', MOST_RANGES + 1).filter((spec) => spec.trim() !== '');
  if (wanted.length > MOST_RANGES) return 'too-many';
  const ranges: ByteRange[] = [];
  let total = 0;
  for (const spec of wanted) {
    const range = rangeOf(spec, size);
    if (range === undefined) return 'whole';
    // Also beside satisfiable ones: a client that counts parts would take the answer apart wrongly.
    if (range.start >= range.end) return 'unsatisfiable';
    ranges.push(range);
    total += range.end - range.start;
  }
  return ranges.length === 0 || (ranges.length > 1 && total > size) ? 'whole' : ranges;
}

/**
 * Whether a client that sends this means to have the blob to its end: without a range, or with one that has no last byte,
 * as one sends who goes on from where an answer broke off. Whoever wants a part alone knows where it ends.
 */
export function goesToEnd(header: string | undefined): boolean {
  return header === undefined || /[0-9]- *(?:,|$)/.test(header);
}

function rangeOf(spec: string, size: number): ByteRange | undefined {
  const [, first, last, suffix] = /^ *(?:([0-9]+)-([0-9]*)|-([0-9]+)) *$/.exec(spec) ?? [];
  if (suffix !== undefined) return { start: Math.max(0, size - Number(suffix)), end: size };
  if (first === undefined) return undefined;
  const end = last === undefined || last === '' ? size : Math.min(size, Number(last) + 1);
  return { start: Number(first), end };
}
