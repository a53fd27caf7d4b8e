/**
 * Terraform with the provider for Harbor, which no package registry has: this runs where TERRAFORM_HARBOR_PROVIDER names
 * the provider's binary, with the `terraform` of the PATH.
 */
import assert from 'node:assert/strict';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { read } from './support/management.ts';
import { type Ran, run } from './support/processes.ts';
import { startWorld, type World } from './support/world.ts';

const PROVIDER = process.env['TERRAFORM_HARBOR_PROVIDER'] ?? '';
const DID_NOT_RUN =
  'Terraform with the Harbor provider did NOT run: TERRAFORM_HARBOR_PROVIDER does not name the provider';

/** What `terraform plan -detailed-exitcode` ends with. */
const NOTHING_TO_DO = 0;

const options = { timeout: 600_000, skip: PROVIDER === '' && DID_NOT_RUN };

describe('Terraform with the provider for Harbor', options, () => {
  it('applies a plan, changes it, imports what it made and destroys it', async (t) => {
    await using world = await startWorld({ configuration: { limits: { privateEndpoints: true } } });
    const terraform = await terraformIn(world);
    /** Applies the plan, which then finds nothing more to do; what it did. */
    const settle = async (...variables: string[]): Promise<string | undefined> => {
      const output = await succeed(terraform('apply', '-auto-approve', ...variables));
      const { code, stdout, stderr } = await terraform('plan', '-detailed-exitcode', ...variables);
      assert.equal(code, NOTHING_TO_DO, stdout + stderr);
      return summaryIn(output);
    };

    assert.equal(await settle(), 'Resources: 16 added, 0 changed, 0 destroyed.');
    const resources = await resourcesOf(terraform);
    assert.equal(resources.length, 16);
    assert.deepEqual(await foundOn(world), {
      quota: 10 * 2 ** 30,
      creation: 'adminonly',
      isAdmin: false,
      roles: { admin: 1, ann: 2, ops: 5 },
      labels: ['ours'],
      isDisabled: { 'v*': false, latest: true },
      robots: { robot$sweeper: true, 'robot$works+ci': true },
      policies: { nightly: '0 0 3 * * *', onward: 'event_based' },
    });

    const changed = '-var=changed=true';
    // The provider replaces a group's membership when the group is renamed.
    t.diagnostic(`changed: ${await settle(changed, '-var=password=Passw0rd2')}`);
    assert.deepEqual(await foundOn(world), {
      quota: 20 * 2 ** 30,
      creation: 'everyone',
      isAdmin: true,
      roles: { admin: 1, ann: 4, operators: 3 },
      labels: ['theirs'],
      isDisabled: { 'r*': false, latest: false },
      robots: { robot$sweeper: false, 'robot$works+ci': true },
      policies: { onward: 'event_based' },
    });

    await importAnew(terraform, changed);
    // Passwords, secrets and quotas are not read back; Harbor takes no password that is the same.
    const imported = await settle(changed, '-var=password=Passw0rd3');
    assert.match(imported ?? '', /^Resources: 0 added, \d+ changed, 0 destroyed\.$/);

    const destroyed = await succeed(terraform('destroy', '-auto-approve', changed));
    assert.equal(summaryIn(destroyed), 'Resources: 16 destroyed.');
  });
});

const GIVEN = {
  quotas: z.array(z.object({ hard: z.object({ storage: z.number() }) })),
  configuration: z.object({ project_creation_restriction: z.object({ value: z.string() }) }),
  users: z.array(z.object({ username: z.string(), sysadmin_flag: z.boolean() })),
  members: z.array(z.object({ entity_name: z.string(), role_id: z.number() })),
  labels: z.array(z.object({ name: z.string() })),
  rules: z.array(
    z.object({
      disabled: z.boolean(),
      tag_selectors: z.array(z.object({ pattern: z.string() })),
    }),
  ),
  robots: z.array(z.object({ name: z.string(), disable: z.boolean() })),
  policies: z.array(
    z.object({
      name: z.string(),
      enabled: z.boolean(),
      trigger: z.object({
        type: z.string(),
        trigger_settings: z.object({ cron: z.string().optional() }),
      }),
    }),
  ),
};

/** What the node says of what the plan asks for. */
async function foundOn(world: World): Promise<object> {
  const { project_id: works } = z
    .object({ project_id: z.number() })
    .parse(await read(world, '/projects/works'));
  const ofWorks = `reference=project&reference_id=${works}`;
  const [quota] = GIVEN.quotas.parse(await read(world, `/quotas?${ofWorks}`));
  const configuration = GIVEN.configuration.parse(await read(world, '/configurations'));
  const users = GIVEN.users.parse(await read(world, '/users'));
  const members = GIVEN.members.parse(await read(world, '/projects/works/members'));
  const labels = GIVEN.labels.parse(await read(world, `/labels?scope=p&project_id=${works}`));
  const rules = GIVEN.rules.parse(await read(world, '/projects/works/immutabletagrules'));
  const robots = [
    ...GIVEN.robots.parse(await read(world, '/robots')),
    ...GIVEN.robots.parse(await read(world, `/robots?q=Level=project,ProjectID=${works}`)),
  ];
  const policies = GIVEN.policies.parse(await read(world, '/replication/policies'));
  return {
    quota: quota?.hard.storage,
    creation: configuration.project_creation_restriction.value,
    isAdmin: users.find(({ username }) => username === 'ann')?.sysadmin_flag,
    roles: Object.fromEntries(members.map(({ entity_name: name, role_id: id }) => [name, id])),
    labels: labels.map(({ name }) => name),
    isDisabled: Object.fromEntries(
      rules.map(({ tag_selectors: [tags], disabled }) => [tags?.pattern, disabled]),
    ),
    robots: Object.fromEntries(robots.map(({ name, disable }) => [name, !disable])),
    policies: Object.fromEntries(
      policies
        .filter(({ enabled }) => enabled)
        .map(({ name, trigger }) => [name, trigger.trigger_settings.cron ?? trigger.type]),
    ),
  };
}

const State = z.object({
  values: z.object({
    root_module: z.object({
      resources: z.array(
        z.object({ address: z.string(), mode: z.string(), values: z.object({ id: z.string() }) }),
      ),
    }),
  }),
});

/** What the plan made, by where the provider finds it. */
async function resourcesOf(
  terraform: Terraform,
): Promise<readonly { address: string; id: string }[]> {
  const { values } = State.parse(JSON.parse(await succeed(terraform('show', '-json'))));
  return values.root_module.resources
    .filter(({ mode }) => mode === 'managed')
    .map(({ address, values: { id } }) => ({ address, id }));
}

/** Forgets all that the plan made, and takes it up again from the node alone. */
async function importAnew(terraform: Terraform, ...variables: string[]): Promise<void> {
  const resources = await resourcesOf(terraform);
  await succeed(terraform('state', 'rm', ...resources.map(({ address }) => address)));
  for (const { address, id } of resources) {
    await succeed(terraform('import', ...variables, address, id));
  }
}

type Terraform = (command: string, ...args: string[]) => Promise<Ran>;

/** Terraform with the plan and the provider in a folder of the world, signed in at the node as the admin. */
async function terraformIn(world: World): Promise<Terraform> {
  const folder = world.at('terraform');
  const plugins = join(folder, 'plugins');
  await mkdir(plugins, { recursive: true });
  await symlink(PROVIDER, join(plugins, 'terraform-provider-harbor'));
  await copyFile(join(import.meta.dirname, 'support/terraform/main.tf'), join(folder, 'main.tf'));
  const settings = join(folder, 'terraform.rc');
  await writeFile(
    settings,
    `provider_installation {\n  dev_overrides {\n    "goharbor/harbor" = "${plugins}"\n  }\n}\n`,
  );
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    CHECKPOINT_DISABLE: '1',
    TF_CLI_CONFIG_FILE: settings,
    TF_CLI_ARGS: '-no-color',
    TF_IN_AUTOMATION: '1',
    TF_INPUT: '0',
    TF_VAR_upstream: world.hub.url,
    HARBOR_URL: world.node.url,
    HARBOR_USERNAME: 'admin',
    HARBOR_PASSWORD: world.node.adminPassword,
  };
  return (command, ...args) =>
    run('terraform', [command, ...args], { cwd: folder, env, timeoutMs: 300_000 });
}

async function succeed(running: Promise<Ran>): Promise<string> {
  const { code, stdout, stderr } = await running;
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  return stdout;
}

/** Of `Apply complete! Resources: 16 added, 0 changed, 0 destroyed.` */
function summaryIn(output: string): string | undefined {
  return /^(?:Apply|Destroy) complete! (.*)$/m.exec(output)?.[1];
}
