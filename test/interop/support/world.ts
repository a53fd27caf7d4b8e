import assert from 'node:assert/strict';
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { makeImage, pushImage } from './images.ts';
import {
  type NodeOptions,
  type NodeProcess,
  type Registry,
  startPortolan,
  startStockRegistry,
} from './registries.ts';
import { digestAt, downloadsFrom } from './wire.ts';

/** A node between clients and two upstreams, all of them processes on the loopback. */
export interface World extends AsyncDisposable {
  /** A folder inside this world's own, which goes with it. */
  at(name: string): string;
  /** A stock registry in Docker Hub's role. */
  readonly hub: Registry;
  /** A stock registry in ghcr.io's role. */
  readonly ghcr: Registry;
  readonly node: NodeProcess;
  /** `name:password` of the one who may push. */
  readonly admin: string;
  /** Puts a fresh runnable image at `host/name:latest`; returns its digest. `ballast` as {@link makeImage} has it. */
  publish(
    upstream: Registry,
    repository: string,
    options?: { readonly ballast?: number },
  ): Promise<string>;
  stopUpstreams(): Promise<void>;
}

/** Tags are asked for upstream at every pull, so that what is served without an upstream is served as stale. */
const ALWAYS_ASK = [{ tags: '**', ttl: '0s' }];

export async function startWorld(options: NodeOptions = {}): Promise<World> {
  const stack = new AsyncDisposableStack();
  try {
    const directory = stack.use(await temporaryDirectory());
    const at = (name: string): string => join(directory.path, name);
    const hub = stack.use(await startStockRegistry(at('hub')));
    const ghcr = stack.use(await startStockRegistry(at('ghcr')));
    const node = stack.use(
      await startPortolan(at('node'), {
        ...options,
        configuration: {
          endpoints: {
            'docker.io': { adapter: 'docker-hub', url: hub.url, allowPrivateAddress: true },
            'ghcr.io': { adapter: 'distribution', url: ghcr.url, allowPrivateAddress: true },
          },
          projects: {
            'docker.io': {
              public: true,
              proxy: { endpoints: ['docker.io'], default: true, freshness: ALWAYS_ASK },
            },
            'ghcr.io': { public: true, proxy: { endpoints: ['ghcr.io'], freshness: ALWAYS_ASK } },
          },
          ...options.configuration,
        },
      }),
    );
    const owned = stack.move();
    let images = 0;
    return {
      at,
      hub,
      ghcr,
      node,
      admin: `admin:${node.adminPassword}`,
      async publish(upstream, repository, more) {
        const folder = at(`image-${++images}`);
        const image = await makeImage(folder, `${repository} ${images} of ${directory.path}`, more);
        return pushImage(image, `${upstream.host}/${repository}:latest`, { folder });
      },
      async stopUpstreams() {
        await Promise.all([hub.stop(), ghcr.stop()]);
      },
      [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
    };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

export interface Pull {
  readonly upstream: Registry;
  /** Its name at the upstream. */
  readonly repository: string;
  readonly tag?: string;
  /** Has the client forget what it holds and pull; resolves to the digest the client ended up with. */
  readonly pull: () => Promise<string>;
}

/**
 * Pulls while nothing is cached, again while all is, and again while no upstream is there: always the upstream's
 * digest, and the upstream hands out each blob and each manifest once, which a registry that counts pulls will like.
 */
export async function pullsColdWarmAndOffline(
  world: World,
  { upstream, repository, tag = 'latest', pull }: Pull,
): Promise<void> {
  const digest = await digestAt(upstream.url, repository, tag);
  const before = downloadsFrom(upstream).length;
  const fetched = (): readonly string[] => downloadsFrom(upstream).slice(before);

  assert.equal(await pull(), digest, 'cold');
  const cold = fetched();
  assert.ok(cold.length > 0, 'the cold pull brings content in');
  assert.equal(new Set(cold).size, cold.length, 'each blob and manifest leaves the upstream once');

  assert.equal(await pull(), digest, 'warm');
  assert.deepEqual(fetched(), cold, 'the warm pull brings nothing in');

  await world.stopUpstreams();
  assert.equal(await pull(), digest, 'with the upstream gone');
}
