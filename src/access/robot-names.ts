/** `robot$ci` is a robot of the node, `robot$team+ci` one of project `team`. No user's name has a `$`. */
import { ManagementError } from '../oci/management-error.ts';

const PREFIX = 'robot$';
const LONGEST = 255;

export function isRobotName(name: string): boolean {
  return name.startsWith(PREFIX);
}

export function robotFullName(name: string, project: string | undefined): string {
  return project === undefined ? `${PREFIX}${name}` : `${PREFIX}${project}+${name}`;
}

/** Of a full name. No project's name has a `+`, and no robot's. */
export function robotNameParts(fullName: string): {
  readonly name: string;
  readonly project: string | undefined;
} {
  const text = fullName.slice(PREFIX.length);
  const plus = text.indexOf('+');
  if (plus < 0) return { name: text, project: undefined };
  return { name: text.slice(plus + 1), project: text.slice(0, plus) };
}

/**
 * Of a name without prefix and project: Harbor's rule (v2.13, handler/robot.go).
 *
 * @throws ManagementError BAD_REQUEST
 */
export function assertRobotName(name: string): void {
  if (name.length <= LONGEST && /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(name)) return;
  const message = `a robot's name is of small letters and digits, with single . _ - between them, at most ${LONGEST}`;
  throw new ManagementError('BAD_REQUEST', message);
}
