/** schemathesis makes requests up from Harbor's contract: right ones, and ones that are wrong in every way that it names. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { implementedContract, implementedOperations } from './support/contract.ts';
import { read } from './support/management.ts';
import { run } from './support/processes.ts';
import { pythonWith } from './support/python.ts';
import { startWalkedWorld } from './support/walk.ts';

const NONE_OF_THE_CONTRACT = 'a request that breaks the contract, which has no status for that';

/** What the contract cannot say: it declares no 400 for these, whose requests can be wrong, and no 404 for one. */
const UNDECLARED = {
  actionPendingJobs: { status: 400, why: NONE_OF_THE_CONTRACT },
  getCurrentUserPermissions: { status: 400, why: NONE_OF_THE_CONTRACT },
  getReplicationPolicy: { status: 404, why: 'clients know by it that the policy is gone' },
  listQuotas: { status: 400, why: NONE_OF_THE_CONTRACT },
  listRegistries: { status: 400, why: NONE_OF_THE_CONTRACT },
  listReplicationExecutions: { status: 400, why: NONE_OF_THE_CONTRACT },
  listReplicationPolicies: { status: 400, why: NONE_OF_THE_CONTRACT },
  listReplicationTasks: { status: 400, why: NONE_OF_THE_CONTRACT },
  listUserGroups: { status: 400, why: NONE_OF_THE_CONTRACT },
  listUsers: { status: 400, why: NONE_OF_THE_CONTRACT },
  searchUserGroups: { status: 400, why: NONE_OF_THE_CONTRACT },
  searchUsers: { status: 400, why: NONE_OF_THE_CONTRACT },
  setUserSysAdmin: { status: 400, why: NONE_OF_THE_CONTRACT },
} as const;

describe('schemathesis, which makes up requests', { timeout: 600_000 }, () => {
  it('finds no failure of the server, and no status that the contract does not declare', async (t) => {
    await using world = await startWalkedWorld();
    const contract = world.at('contract.json');
    await writeFile(contract, JSON.stringify(await implementedContract(UNDECLARED)));

    const told = await madeUp(world, {
      document: contract,
      base: '/api/v2.0',
      checks: 'not_a_server_error,status_code_conformance',
      seconds: 120,
    });

    const all = (await implementedOperations()).length;
    assert.match(told, new RegExp(`^  Tested: ${all}$`, 'm'));
    t.diagnostic(/^ +\d+ generated,.*$/m.exec(told)?.[0].trim() ?? 'no count');
    // It had not locked itself out on the way.
    await read(world, '/users/current');
  });

  it('finds nothing in the node’s own API that its document does not declare', async (t) => {
    await using world = await startWalkedWorld();

    const told = await madeUp(world, {
      document: `${world.node.url}/api/portolan/v1/openapi.json`,
      base: '/api/portolan/v1',
      checks:
        'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
      // Its answers are validated one by one in test/replication/document.test.ts, too.
      seconds: 60,
    });

    t.diagnostic(/^ +\d+ generated,.*$/m.exec(told)?.[0].trim() ?? 'no count');
  });
});

interface Described {
  /** A file or a URL. */
  readonly document: string;
  readonly base: string;
  readonly checks: string;
  /** For which it makes up requests at most. */
  readonly seconds: number;
}

/** @returns what it says of requests by that document, which found nothing wrong */
async function madeUp(
  world: Awaited<ReturnType<typeof startWalkedWorld>>,
  { document, base, checks, seconds }: Described,
): Promise<string> {
  const python = await pythonWith('schemathesis==4.32.5');
  const { code, stdout, stderr } = await run(
    join(python, '../schemathesis'),
    [
      'run',
      document,
      `--url=${world.node.url}${base}`,
      `--auth=${world.admin}`,
      `--checks=${checks}`,
      '--continue-on-failure',
      '--phases=coverage,fuzzing',
      '--max-examples=10',
      '--seed=1',
      `--max-time=${seconds}`,
      '--generation-database=none',
      // These judge how it makes requests up, by luck and by the clock, and not the node.
      '--suppress-health-check=filter_too_much,too_slow',
      // By default 10 s, which a machine may stand still.
      '--request-timeout=120',
      '--no-color',
      '--warnings=off',
    ],
    {
      env: { HOME: world.at('.'), PATH: '/usr/bin:/bin' },
      cwd: world.at('.'),
      timeoutMs: 300_000,
    },
  );
  assert.equal(code, 0, stdout.slice(-20_000) + stderr);
  return stdout;
}
