/**
 * The official conformance program of the distribution spec against a fresh node. No package registry has the program,
 * so it runs where OCI_CONFORMANCE names it; the same requirements are tests of ours in `test/http/v2`.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, createRobot } from '../interop/support/management.ts';
import { type NodeProcess, startPortolan } from '../interop/support/registries.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { DEFAULTS } from './defaults.ts';
import { runConformance } from './program.ts';

const PROGRAM = process.env['OCI_CONFORMANCE'] ?? '';
const DID_NOT_RUN =
  'the official OCI conformance program did NOT run: OCI_CONFORMANCE does not name it';

/** What a whole run counts; fewer means that something was not tried. */
const VERSIONS = [
  { version: '1.1', leastPassed: 850, disabled: 2 },
  { version: 'dev', leastPassed: 970, disabled: 0 },
] as const;

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Who pushes and pulls. All of them are sent to the token service. */
const CALLERS: readonly {
  readonly who: string;
  readonly versions: typeof VERSIONS | readonly [(typeof VERSIONS)[1]];
  readonly credentials: (node: NodeProcess) => Credentials | Promise<Credentials>;
}[] = [
  {
    who: 'the admin',
    versions: VERSIONS,
    credentials: ({ adminPassword }) => ({ username: 'admin', password: adminPassword }),
  },
  {
    who: 'a user, who is a maintainer of the project',
    versions: [VERSIONS[1]],
    async credentials(node) {
      const admin = `admin:${node.adminPassword}`;
      const ann = { username: 'ann', password: 'Passw0rd1' };
      const more = { email: 'ann@example.com', realname: 'Ann' };
      await create({ node, admin }, '/users', { ...ann, ...more });
      await create({ node, admin }, '/projects/conformance/members', {
        role_id: 4,
        member_user: { username: 'ann' },
      });
      return ann;
    },
  },
  {
    who: 'a robot of the project',
    versions: [VERSIONS[1]],
    credentials: (node) =>
      createRobot({ node, admin: `admin:${node.adminPassword}` }, 'conformance', {
        repository: ['list', 'read', 'pull', 'push', 'delete'],
        artifact: ['list', 'read', 'create', 'delete'],
        tag: ['list', 'create', 'delete'],
      }),
  },
];

const options = { timeout: 180_000, skip: PROGRAM === '' && DID_NOT_RUN };

describe('the official OCI conformance program', options, () => {
  const runs = CALLERS.flatMap(({ versions, ...caller }) =>
    versions.map((version) => ({ ...caller, ...version })),
  );
  for (const { who, credentials, version, leastPassed, disabled } of runs) {
    it(`finds nothing wrong by version ${version}, as ${who}`, async (t) => {
      await using directory = await temporaryDirectory();
      await using node = await startPortolan(directory.path, {
        configuration: { projects: { conformance: { references: 'sparse' } } },
      });

      const run = await runConformance(PROGRAM, {
        registry: node.host,
        credentials: await credentials(node),
        version,
      });

      t.diagnostic(`${version}: ${JSON.stringify(run.counts)}; report: ${run.report}`);
      // An exit code of 0 alone means nothing: a configuration it does not understand ends in 0 too.
      assert.equal(run.exitCode, 0, run.complaints);
      assert.deepEqual(run.failures, [], run.complaints);
      assert.deepEqual(run.suiteTotals, { failures: 0, errors: 0, skipped: 0, disabled });
      assert.match(run.stdout, /^OCI Conformance Result: Pass$/m);
      const { passed, ...others } = run.counts;
      assert.deepEqual(others, { skipped: 0, disabled, failed: 0, errors: 0 });
      assert.ok(passed >= leastPassed, `only ${passed} passed`);
      assert.deepEqual(run.configuration, DEFAULTS[version], 'nothing was switched off');
    });
  }
});
