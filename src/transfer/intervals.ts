/** Half-open: `start` is in it, `end` is not. */
export type Interval = readonly [start: number, end: number];
/** Sorted, none empty, none touching the next: the bytes of a blob that are here. */
export type Intervals = readonly Interval[];

/** `intervals` and the bytes from `start` to `end`. */
export function withInterval(intervals: Intervals, start: number, end: number): Intervals {
  if (start >= end) return intervals;
  const before = intervals.filter((interval) => interval[1] < start);
  const after = intervals.filter((interval) => interval[0] > end);
  const touched = intervals.slice(before.length, intervals.length - after.length);
  const [first] = touched;
  const last = touched.at(-1);
  const merged: Interval = [Math.min(start, first?.[0] ?? start), Math.max(end, last?.[1] ?? end)];
  return [...before, merged, ...after];
}

/** How many bytes are there without a gap from `position` on. */
export function lengthAt(intervals: Intervals, position: number): number {
  const found = intervals.find(([start, end]) => start <= position && position < end);
  return found === undefined ? 0 : found[1] - position;
}

/** Where the next bytes after `position` begin that are there already. */
export function nextStart(intervals: Intervals, position: number): number | undefined {
  return intervals.find(([start]) => start > position)?.[0];
}

/** What is missing between `start` and `end`. */
export function gapsBetween(intervals: Intervals, start: number, end: number): Intervals {
  const gaps: Interval[] = [];
  let position = start;
  for (const [from, to] of intervals) {
    if (to <= position) continue;
    if (from >= end) break;
    if (from > position) gaps.push([position, from]);
    position = to;
  }
  if (position < end) gaps.push([position, end]);
  return gaps;
}

/** Bytes in all of them together. */
export function totalLength(intervals: Intervals): number {
  return intervals.reduce((total, [start, end]) => total + end - start, 0);
}

/** What of them lies before `size`. */
export function clippedTo(intervals: Intervals, size: number): Intervals {
  return intervals
    .filter(([start]) => start < size)
    .map(([start, end]) => [start, Math.min(end, size)] as const);
}
