/** Harbor's own command line, which no package registry has: this runs where HARBOR_CLI names its binary. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import got from 'got';
import { z } from 'zod';
import { until } from '../support/until.ts';
import { type HarborCli, harborCliIn } from './support/harbor-cli.ts';
import { read } from './support/management.ts';
import { startWalkedWorld } from './support/walk.ts';
import type { World } from './support/world.ts';

const PROGRAM = process.env['HARBOR_CLI'] ?? '';
const DID_NOT_RUN = 'harbor-cli did NOT run: HARBOR_CLI does not name it';

const options = { timeout: 300_000, skip: PROGRAM === '' && DID_NOT_RUN };

const Named = z.object({ name: z.string() });
const Page = z.object({ Payload: z.array(z.looseObject({})) });

/** The names in a page of a list, as the client prints it. */
const namesIn = (json: string, key = 'name'): readonly unknown[] =>
  Page.parse(JSON.parse(json)).Payload.map((each) => each[key]);

async function loggedIn(world: World): Promise<HarborCli> {
  const harbor = await harborCliIn(world, PROGRAM);
  await harbor(`login ${world.node.url} -u admin -p ${world.node.adminPassword}`);
  return harbor;
}

describe('harbor-cli', options, () => {
  it('logs in, looks at the node, configures it and logs out', async () => {
    await using world = await startWalkedWorld();
    const harbor = await harborCliIn(world, PROGRAM);
    await assert.rejects(harbor(`login ${world.node.url} -u admin -p wrong`), /login failed/);
    await harbor(`login ${world.node.url} -u admin -p ${world.node.adminPassword}`);

    assert.match(await harbor('health -o json'), /"status": "healthy"/);
    assert.match(await harbor('info -o json'), /"harbor_version": "v2\./);
    assert.match(await harbor('logs -o json'), /^\[/);
    assert.match(await harbor.press('q', 'info'), /HarborVersion/);
    assert.match(await harbor.press('q', 'config view'), /ProjectCreationRestriction/);

    const configuration = await harbor('config view -o json');
    await writeFile(harbor.at('all.json'), configuration);
    assert.match(await harbor('config apply -y -f all.json'), /No changes detected/);
    await writeFile(harbor.at('all.json'), configuration.replace('"adminonly"', '"everyone"'));
    await harbor('config apply -y -f all.json');
    assert.match(await harbor('config view -o json'), /"project_creation_restriction": "everyone"/);

    await harbor.press('y\r', 'logout');
    await assert.rejects(harbor('project list -o json'));
  });

  it('manages users, projects, members, quotas and labels', async () => {
    await using world = await startWalkedWorld();
    const harbor = await loggedIn(world);

    await harbor(
      'user create --username ann --email ann@example.com --realname Ann --password Passw0rd1',
    );
    await harbor.press('Passw0rd2\r', 'user password ann');
    await harbor.press('y', 'user elevate ann');
    await harborCliAs(world, 'ann', 'Passw0rd2');
    const users = z.array(z.object({ username: z.string(), sysadmin_flag: z.boolean() }));
    assert.deepEqual(users.parse(JSON.parse(await harbor('user list -o json'))), [
      { username: 'admin', sysadmin_flag: true },
      { username: 'ann', sysadmin_flag: true },
    ]);

    await harbor('project create works --storage-limit 1073741824');
    await harbor('project config update works --public true --auto-scan true');
    assert.deepEqual(JSON.parse(await harbor('project config list works -o json')), {
      auto_scan: 'true',
      public: 'true',
    });
    for (const command of ['view works', 'summary works', 'search wor', 'logs works', 'list']) {
      assert.match(await harbor(`project ${command} -o json`), /works/, command);
    }
    // It adds one to the number of the role.
    await harbor('project member create works --username ann --roleid 1');
    const listed = await harbor('project member list works -o json');
    assert.deepEqual(namesIn(listed, 'entity_name'), ['admin', 'ann']);
    assert.deepEqual(namesIn(listed, 'role_name'), ['projectAdmin', 'developer']);
    await harbor('project member delete works --username ann');
    await harbor('quota update --project-name works --storage 2GiB');
    assert.match(await harbor('quota view --project-name works -o json'), /"storage": 2147483648/);
    assert.equal(namesIn(await harbor('quota list --page-size 100 -o json'), 'id').length, 12);

    await harbor('label create -n tested --color #00AB9A -d hello');
    await harbor.press('\r', 'label update tested --global -d changed');
    assert.deepEqual(namesIn(await harbor('label list -o json'), 'description'), ['changed']);
    await harbor('label delete tested --global');

    await harbor('project delete works');
    await harbor('user delete ann');
    await assert.rejects(harbor('label list -o json'), /no labels found/);
  });

  it('manages robots and registries', async () => {
    await using world = await startWalkedWorld();
    const harbor = await loggedIn(world);
    const everything = '--duration 7 --all-permission --export-to-file';

    await harbor(`robot create --name sweep ${everything}`);
    await harbor('project create works --storage-limit -1');
    await harbor(`project robot create --project works --name ci ${everything}`);
    const secrets = (await readdir(harbor.at('.'))).filter((name) => name.endsWith('secret.json'));
    assert.equal(secrets.length, 2, 'each secret is told once, in a file');
    assert.deepEqual(namesIn(await harbor('robot list -o json')), ['robot$sweep']);
    const ofWorks = await harbor('project robot list works -o json');
    assert.deepEqual(namesIn(ofWorks), ['robot$works+ci']);
    const [id] = namesIn(ofWorks, 'id');
    await harbor(`project robot refresh ${String(id)} --secret Secret123`);
    await harborCliAs(world, 'robot$works+ci', 'Secret123');
    await harbor.press('\r', `project robot update ${String(id)} --all-permission`);
    await harbor('project robot delete ci --project works');
    await harbor('robot delete sweep');
    assert.deepEqual(namesIn(await harbor('robot list -o json')), []);

    const secret = '--credential-access-key me --credential-access-secret Hidden1';
    await harbor(
      `registry create --name hub --type docker-registry --url ${world.hub.url} ${secret}`,
    );
    await harbor.press('\r', 'registry update hub --description changed');
    assert.match(await harbor('registry view hub -o json'), /"description": "changed"/);
    assert.match(await harbor('registry list -o json'), /docker-registry/);
    const registry = z
      .object({ Payload: z.object({ id: z.number() }) })
      .parse(JSON.parse(await harbor('registry view hub -o json'))).Payload.id;
    await harbor(`project create cache --proxy-cache --registry-id ${registry} --storage-limit -1`);
    await harbor('project delete cache');
    await harbor('registry delete hub');
    const left = z.array(Named).parse(await read(world, '/registries?page_size=100'));
    assert.ok(!left.some(({ name }) => name === 'hub'));
  });

  it('manages replication policies, runs them and reads what they did', async () => {
    await using world = await startWalkedWorld();
    const harbor = await loggedIn(world);
    await harbor(`registry create --name hub --type docker-registry --url ${world.hub.url}`);
    const policy = {
      name: 'onward',
      description: 'as it was',
      enabled: true,
      override: true,
      replication_mode: 'Push',
      target_registry: 'hub',
      trigger_mode: 'manual',
      replication_filter: [
        { type: 'name', value: 'local/app' },
        { type: 'tag', value: '1', decoration: 'matches' },
      ],
    };
    await writeFile(harbor.at('policy.json'), JSON.stringify(policy));
    await harbor('replication policies create -f policy.json');
    const [listed] = z
      .array(z.looseObject({ id: z.int(), name: z.string() }))
      .parse(JSON.parse(await harbor('replication policies list -o json')));
    assert.equal(listed?.name, 'onward');
    await harbor(`replication policies update ${listed.id} --description changed`);
    const viewed = await harbor(`replication policies view ${listed.id} -o json`);
    assert.match(viewed, /"description": "changed"/);
    assert.match(viewed, /"value": "local\/app"/);

    await harbor(`replication start ${listed.id}`);
    const Executions = z.tuple([z.looseObject({ id: z.int(), status: z.string() })]);
    const executions = async () =>
      Executions.parse(
        JSON.parse(await harbor(`replication executions list ${listed.id} -o json`)),
      );
    await until(async () => (await executions())[0].status !== 'InProgress');
    const [{ id, status }] = await executions();
    assert.equal(status, 'Succeed');
    const execution = await harbor(`replication executions view ${id} --no-tasks -o json`);
    assert.match(execution, /"succeed": 1/);
    const tasks = await read(world, `/replication/executions/${id}/tasks`);
    const [task] = z.tuple([z.looseObject({ id: z.int() })]).parse(tasks);
    assert.match(await harbor(`replication log -e ${id} -t ${task.id}`), /succeeded/);
    const { tags } = z
      .object({ tags: z.array(z.string()) })
      .parse(await got(`${world.hub.url}/v2/local/app/tags/list`).json());
    // Beside it, what refers to it: a stock registry lists that nowhere else.
    assert.deepEqual(
      tags.filter((tag) => !/^sha256-[0-9a-f]{64}$/.test(tag)),
      ['1'],
    );

    assert.match(await harbor('jobservice queues list -o json'), /REPLICATION/);
    await assert.rejects(harbor('registry delete hub'), /deleteRegistryPreconditionFailed/);
    await harbor(`replication policies delete ${listed.id}`);
    await harbor('registry delete hub');
  });

  it('manages repositories, artifacts, tags and immutable rules', async () => {
    await using world = await startWalkedWorld();
    const harbor = await loggedIn(world);

    assert.deepEqual(namesIn(await harbor('repo list local -o json')), ['local/app']);
    await harbor('repo update local/app -d bold');
    for (const command of ['view local/app', 'search app']) {
      assert.match(await harbor(`repo ${command} -o json`), /local\/app/, command);
    }
    assert.equal(namesIn(await harbor('artifact list local/app -o json')).length, 1);
    assert.match(await harbor('artifact view local/app:1 -o json'), /"type": "IMAGE"/);
    await harbor('artifact tags create local/app:1 stable');
    const tags = await harbor('artifact tags list local/app:1 -o json');
    assert.deepEqual(namesIn(tags), ['1', 'stable']);
    await harbor('artifact tags delete local/app:1 stable');
    await harbor('label create -n tested');
    await harbor('artifact label add local/app:1 tested');
    assert.match(await harbor('artifact label list local/app:1 -o json'), /tested/);
    await harbor('artifact label delete local/app:1 tested');

    const scope = '--repo-decoration repoMatches --repo-list ** --tag-decoration matches';
    await harbor.press('\r', `tag immutable create local ${scope} --tag-list 1`);
    assert.match(await harbor('tag immutable list local -o json'), /"pattern": "1"/);
    await assert.rejects(harbor('artifact delete local/app:1'), /412/);
    await harbor.press('\r', 'tag immutable delete local');
    await harbor('artifact delete local/app:1');
    assert.deepEqual(namesIn(await harbor('artifact list local/app -o json')), []);
  });
});

/** Logs another account in, which fails where the password is wrong. */
async function harborCliAs(world: World, name: string, password: string): Promise<void> {
  const harbor = await harborCliIn(world, PROGRAM, name);
  await harbor(`login ${world.node.url} -u ${name} -p ${password}`);
}
