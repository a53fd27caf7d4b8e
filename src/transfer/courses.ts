/** Which segment of a fill brings which bytes, where each of them stops, and which one makes way. */
import type { GrowingFile } from './growing-file.ts';

/** How far a segment is. */
export interface Course {
  readonly start: number;
  /** Where its next byte goes. */
  readonly position: number;
  /** The last byte that somebody waited for it to bring. */
  readonly wantedAt: number;
  /** Where it ends at the latest. */
  readonly limit: number;
}

/** The segments that fill a file, the oldest first. */
export interface Courses<Running extends Course> {
  readonly file: Pick<GrowingFile, 'availableAt' | 'nextPresent' | 'gapsBetween' | 'size'>;
  readonly running: Iterable<Running>;
  /** A segment that is no farther away than this is waited for. */
  readonly soonBytes: number;
}

/** The segment that brings the byte soon; undefined where the byte needs one of its own. */
export function bringerOf<Running extends Course>(
  position: number,
  courses: Courses<Running>,
): Running | undefined {
  return [...courses.running].find((course) => {
    const distance = position - course.position;
    const isNear = distance >= 0 && distance <= courses.soonBytes;
    return isNear && position < reachOf(course, courses);
  });
}

/** The first byte that is missing and that no segment brings. */
export function firstUnasked<Running extends Course>(
  courses: Courses<Running>,
): number | undefined {
  const { file, running } = courses;
  const asked = [...running].toSorted((one, other) => one.position - other.position);
  for (const [start, end] of file.gapsBetween(0, file.size)) {
    let position = start;
    for (const course of asked) {
      const reach = reachOf(course, courses);
      if (course.position <= position && position < reach) position = reach;
    }
    if (position < end) return position;
  }
  return undefined;
}

/** Where it has to stop: where bytes begin that another brings or brought; what it has just written does not count as such. */
export function reachOf<Running extends Course>(
  course: Running,
  { file, running }: Courses<Running>,
): number {
  const others = [...running]
    .filter((other) => other !== course && other.start >= course.position)
    .map((other) => other.start);
  const written = course.position + file.availableAt(course.position);
  return Math.min(course.limit, file.nextPresent(written), ...others);
}

/** The newest segment that is far ahead: whoever reads behind it has enough to read until it can go on. */
export function leaderOf<Running extends Course>({
  running,
  soonBytes,
}: Courses<Running>): Running | undefined {
  return [...running].findLast(({ position, wantedAt }) => position - wantedAt > soonBytes);
}
