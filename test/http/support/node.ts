import type { Database } from '../../../src/database/database.ts';
import { type AppOptions, createApp, type Ports } from '../../../src/http/app.ts';
import { type Listener, type ListenOptions, listen } from '../../../src/http/server.ts';
import type { AccessPorts } from './access-ports.ts';
import { openCatalogPorts } from './catalog-ports.ts';
import { type Answer, createClient, type Sent } from './client.ts';

export const ADMIN = 'admin:pw';

export interface TestNode extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly listener: Listener;
  /** What it serves from, to change behind its back. */
  readonly database: Database;
  readonly keys: AccessPorts['keys'];
  send(sent: Sent): Promise<Answer>;
}

export interface NodeOptions {
  readonly app?: Partial<AppOptions>;
  readonly listen?: Partial<Omit<ListenOptions, 'app'>>;
  /** Replaces some of the ports, to misbehave on purpose. */
  readonly ports?: (ports: Ports) => Partial<Ports>;
  /** Milliseconds UTC. */
  readonly now?: () => number;
}

/** A listening server over a registry of its own; `local` is public, `secret` private, `docker.io` a proxy. */
export async function startNode(options: NodeOptions = {}): Promise<TestNode> {
  await using opened = new AsyncDisposableStack();
  const { ports, database } = opened.use(await openCatalogPorts(options.now));
  const app = createApp(
    { ...ports, ...options.ports?.(ports) },
    {
      service: 'portolan',
      largestManifest: 4 << 20,
      mostUploads: 100,
      ...options.app,
    },
  );
  const listener = opened.use(
    await listen({ address: { host: '127.0.0.1', port: 0 }, ...options.listen, app }),
  );
  const { host, port } = listener;
  const client = opened.use(createClient({ host, port }));
  const resources = opened.move();
  return {
    host,
    port,
    listener,
    database,
    keys: ports.keys,
    send: (sent) => client.send(sent),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
