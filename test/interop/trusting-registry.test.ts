import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import got from 'got';
import { type Docker, startDockerd } from './support/engines.ts';
import { clientEnvironment, must, run } from './support/processes.ts';
import { type Registry, startStockRegistry } from './support/registries.ts';
import { startWorld, type World } from './support/world.ts';

const SERVICE = 'stock.example';
const PROJECTS = { team: { public: false }, open: { public: true } };

describe('a stock registry that trusts this node', { timeout: 300_000 }, () => {
  it('takes what crane brings with a token from here, and gives it back', async () => {
    await using world = await worldOfTwo();
    await using stock = await stockTrusting(world);
    await world.publish(world.hub, 'library/x');
    const crane = await craneOf(world, stock);
    const pushed = `${stock.host}/team/app:1`;

    await crane('copy', `${world.hub.host}/library/x`, pushed);

    await crane('validate', '--remote', pushed);
    assert.equal(await crane('ls', `${stock.host}/team/app`), '1');
    assert.match(await crane('catalog', stock.host), /^team\/app$/m);
  });

  it('takes what docker pushes, and lets it pull', async () => {
    await using world = await worldOfTwo();
    await using stock = await stockTrusting(world);
    await world.publish(world.hub, 'library/x');
    await using engine = await startDockerd(world.at('engine'));
    const pushed = `${stock.host}/team/app:1`;
    await engine.docker('pull', `${world.hub.host}/library/x`);
    await engine.docker('tag', `${world.hub.host}/library/x`, pushed);
    await engine.docker('login', '-u', 'admin', '-p', world.node.adminPassword, stock.host);

    await engine.docker('push', pushed);

    assert.match(await pulledAfresh(engine, pushed), /^library\/x /);
  });

  it('refuses who has no right here, and lets everybody pull what is public here', async () => {
    await using world = await worldOfTwo();
    await using stock = await stockTrusting(world);
    await world.publish(world.hub, 'library/x');
    const crane = await craneOf(world, stock);
    for (const project of ['team', 'open']) {
      await crane('copy', `${world.hub.host}/library/x`, `${stock.host}/${project}/x:1`);
    }

    const env = clientEnvironment(world.at('.'), { DOCKER_CONFIG: world.at('nobody') });
    const asNobody = (...args: string[]) => run('crane', args, { env });

    assert.equal((await asNobody('digest', `${stock.host}/open/x:1`)).code, 0);
    assert.match((await asNobody('digest', `${stock.host}/team/x:1`)).stderr, /401|UNAUTHORIZED/);
    const push = await asNobody('copy', `${world.hub.host}/library/x`, `${stock.host}/open/y:1`);
    assert.match(push.stderr, /401|UNAUTHORIZED/);
  });
});

/** A node whose tokens are good at another registry too. */
function worldOfTwo(): Promise<World> {
  return startWorld({ configuration: { tokens: { services: [SERVICE] }, projects: PROJECTS } });
}

/** distribution 3, as its operator sets it up: the node's key set in a file. */
async function stockTrusting(world: World): Promise<Registry> {
  const jwks = world.at('jwks.json');
  await writeFile(jwks, await got(`${world.node.url}/.well-known/jwks.json`).text());
  return startStockRegistry(world.at('stock'), {
    command: 'registry',
    more: {
      auth: {
        token: {
          // go-containerregistry goes to no realm at an address of a private network.
          realm: `${world.node.url.replace('127.0.0.1', 'localhost')}/service/token`,
          service: SERVICE,
          issuer: 'portolan',
          jwks,
          signingalgorithms: ['ES256'],
        },
      },
    },
  });
}

/** crane, logged in at the stock registry with what the node knows. */
async function craneOf(world: World, stock: Registry) {
  await mkdir(world.at('crane'), { recursive: true });
  const env = clientEnvironment(world.at('.'), { DOCKER_CONFIG: world.at('crane') });
  const login = ['auth', 'login', stock.host, '-u', 'admin', '--password-stdin'];
  await must('crane', login, { env, input: world.node.adminPassword });
  return (...args: string[]) => must('crane', args, { env });
}

async function pulledAfresh(engine: Docker, image: string): Promise<string> {
  await engine.docker('system', 'prune', '--all', '--force');
  return engine.docker('run', '--rm', '--network', 'none', image);
}
