/**
 * What Harbor's roles may do, copied from its source (v2.13, src/common/rbac/project/rbac_role.go) and not from ours:
 * C, R, U, D and L are create, read, update, delete and list.
 */
const TABLE = `
resource          | projectAdmin    | maintainer      | developer      | guest   | limitedGuest
project           | RUD             | R               | R              | R       | R
repository        | CRUDL pull push | CRUDL pull push | CRUL pull push | RL pull | RL pull
artifact          | CRDL            | CRDL            | CRL            | RL      | RL
tag               | CDL             | CDL             | CL             | L       | L
accessory         | L               | L               | L              | L       | L
artifact-addition | R               | R               | R              | R       | R
artifact-label    | CD              | CD              | CD             |         |
label             | CRUDL           | CRUDL           | RL             | RL      |
member            | CRUDL           | RL              | RL             | RL      |
robot             | CRUDL           | RL              | RL             | RL      |
metadata          | CRUD            | R               |                |         |
tag-retention     | CRUDL operate   | CRUDL operate   | CRUDL operate  |         |
immutable-tag     | CUDL            | CUDL            |                |         |
notification-policy | CRUDL         | RL              |                |         |
preheat-policy    | CRUDL           |                 |                |         |
scan              | CR stop         | CR stop         | R              | R       | R
sbom              | CR stop         | CR stop         | R              | R       | R
scanner           | CR              | R               | R              | R       | R
export-cve        | CRL             | CRL             | CRL            |         |
log               | L               |                 |                |         |
configuration     | RU              | R               | R              | R       | R
quota             | R               | R               | R              | R       | R`;

/** What anybody may in a public project (the same file, "public"). */
const PUBLIC = `
project           | R
repository        | RL pull
artifact          | RL
tag               | L
accessory         | L
artifact-addition | R
label             | RL
scan              | R
sbom              | R
scanner           | R
configuration     | R`;

const WORDS: Readonly<Record<string, string>> = {
  C: 'create',
  R: 'read',
  U: 'update',
  D: 'delete',
  L: 'list',
};

const [[, ...roles] = [], ...rows] = rowsOf(TABLE);

/** Of each role the permissions, as `resource:action`. */
export const HARBOR_ROLES: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  roles.map((role, column) => [role, permissionsIn(rows, column + 1)]),
);
export const HARBOR_PUBLIC: ReadonlySet<string> = permissionsIn(rowsOf(PUBLIC), 1);

function rowsOf(text: string): readonly (readonly string[])[] {
  const lines = text.trim().split('\n');
  return lines.map((line) => line.split('|').map((cell) => cell.trim()));
}

function permissionsIn(table: readonly (readonly string[])[], column: number): ReadonlySet<string> {
  return new Set(
    table.flatMap((cells) =>
      (cells[column] ?? '')
        .split(' ')
        .flatMap((word) =>
          /^[A-Z]+$/.test(word) ? word.split('').map((key) => WORDS[key]) : [word],
        )
        .filter((action) => action !== '')
        .map((action) => `${cells[0]}:${action}`),
    ),
  );
}
