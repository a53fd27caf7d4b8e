import { operationOf } from '../../http/api/support/contract.ts';
import { implementedOperations } from './contract.ts';
import type { Recorded } from './recorder.ts';
import { toolIn } from './tools.ts';
import { startWorld, type World } from './world.ts';

export const BASE = '/api/v2.0';

/** A world in which a client can walk the whole management API: `local/app:1` is an image on which something hangs. */
export async function startWalkedWorld(): Promise<World> {
  const world = await startWorld({
    configuration: { limits: { privateEndpoints: true } },
  });
  try {
    await world.publish(world.hub, 'library/x');
    const settings = { DOCKER_CONFIG: world.at('oras-home') };
    const oras = await toolIn(world, 'oras', settings);
    const crane = await toolIn(world, 'crane', settings);
    const image = `${world.node.host}/local/app:1`;
    await crane('auth', 'login', world.node.host, '-u', 'admin', '-p', world.node.adminPassword);
    await crane('copy', `${world.hub.host}/library/x`, image);
    const type = ['--artifact-type', 'application/vnd.example.sbom'];
    await oras('attach', '--plain-http', ...type, '--annotation', 'a=b', image);
    return world;
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

/** Names of the operations that exist and that no request carried out. */
export async function operationsMissedBy(
  recorded: readonly Recorded[],
): Promise<readonly string[]> {
  const carriedOut = new Set(
    recorded
      .filter(({ status, path }) => status < 400 && path.startsWith(BASE))
      .map(({ method, path }) => operationOf(method, path.slice(BASE.length))?.operation),
  );
  const all = await implementedOperations();
  return all.filter((operation) => !carriedOut.has(operation)).toSorted();
}
