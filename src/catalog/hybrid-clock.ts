/** Hexadecimal digits of the milliseconds (48 bits) and of the counter (16 bits) after them. */
const TIME_DIGITS = 12;
const COUNTER_DIGITS = 4;
const MOST_COUNTED = 0xffff;

/**
 * The stamp after `last` (empty for none): a hybrid logical clock (Kulkarni et al. 2014) as text that sorts as it counts.
 * Later than `last` whatever the wall clock did, so that a write that saw another is always the later of the two.
 */
export function nextStamp(last: string, now: number): string {
  const time = last === '' ? 0 : Number.parseInt(last.slice(0, TIME_DIGITS), 16);
  if (now > time) return stampOf(now, 0);
  const counter = Number.parseInt(last.slice(TIME_DIGITS), 16);
  return counter < MOST_COUNTED ? stampOf(time, counter + 1) : stampOf(time + 1, 0);
}

function stampOf(time: number, counter: number): string {
  return hex(time, TIME_DIGITS) + hex(counter, COUNTER_DIGITS);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
