/** Tags as semantic versions, and ranges of them. */
import semver from 'semver';
import { z } from 'zod';

const LONGEST_RANGE = 255;
/** Ranges, too, may have leading zeros: `>=24.04`. */
const LENIENT = { loose: true };

export const VersionRange = z
  .string()
  .max(LONGEST_RANGE)
  .refine(
    (range) => range.trim() !== '' && semver.validRange(range, LENIENT) !== null,
    'a range of semantic versions such as ">=1.2 <2", "^1.4" or "1.x || 2.x"',
  );

const NUMBER = '(\\d{1,16})';
const VERSION = new RegExp(
  `^v?${NUMBER}(?:\\.${NUMBER})?(?:\\.${NUMBER})?(?:-([0-9A-Za-z.-]+))?(?:_([0-9A-Za-z.-]+))?$`,
);

/**
 * What a tag says as a version; undefined where it says none. Read as regsync and skopeo do: parts may be missing and
 * have leading zeros (`1.2`, `24.04`). After an underscore there is build metadata: Helm writes it so, as no tag may have a plus.
 */
export function versionOf(tag: string): semver.SemVer | undefined {
  const [isVersion, major, minor = '0', patch = '0', prerelease] = VERSION.exec(tag) ?? [];
  if (isVersion === undefined) return undefined;
  const plain = [major, minor, patch].map(Number).join('.');
  return semver.parse(prerelease === undefined ? plain : `${plain}-${prerelease}`) ?? undefined;
}

/** Whether the tag is a version within the range; `prereleases` means those, too, of which the range does not speak. */
export function isWithinRange(
  tag: string,
  range: string,
  { prereleases }: { readonly prereleases: boolean },
): boolean {
  const version = versionOf(tag);
  if (version === undefined) return false;
  return semver.satisfies(version, range, { ...LENIENT, includePrerelease: prereleases });
}

/** A version within the range. */
export function versionWithin(range: string): string {
  return semver.minVersion(range, LENIENT)?.version ?? '';
}

/** The higher version is the greater; none is the least. */
export function compareVersions(
  one: semver.SemVer | undefined,
  other: semver.SemVer | undefined,
): number {
  if (one === undefined || other === undefined) {
    return Number(one !== undefined) - Number(other !== undefined);
  }
  return one.compare(other);
}
