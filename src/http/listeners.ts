import { type AppOptions, createApp, type Ports } from './app.ts';
import { type Listener, type ListenOptions, listen } from './server.ts';

/** A name or an address of its own that stands in for one upstream. */
export interface Mirror {
  readonly host?: string | undefined;
  readonly address?: ListenOptions['address'] | undefined;
  readonly upstream: string;
}

export interface ListenersOptions
  extends Omit<AppOptions, 'mirror' | 'mirrorHosts'>,
    Omit<ListenOptions, 'app'> {
  readonly mirrors: readonly Mirror[];
}

export interface OpenListener {
  readonly listener: Listener;
  /** The upstream that all of it stands in for. */
  readonly mirror: string | undefined;
}

/** The node's own address, and one for each mirror that has an address of its own: all, or none. */
export async function openListeners(
  ports: Ports,
  { address, mirrors, tls, timeouts, ...options }: ListenersOptions,
): Promise<readonly OpenListener[]> {
  const mirrorHosts = Object.fromEntries(
    mirrors.flatMap(({ host, upstream }) => (host === undefined ? [] : [[host, upstream]])),
  );
  const places = [
    { at: address, mirror: undefined },
    ...mirrors.flatMap((mirror) =>
      mirror.address === undefined ? [] : [{ at: mirror.address, mirror: mirror.upstream }],
    ),
  ];
  await using opening = new AsyncDisposableStack();
  const open: OpenListener[] = [];
  for (const { at, mirror } of places) {
    const app = createApp(ports, { ...options, mirror, mirrorHosts });
    const listener = opening.use(await listen({ address: at, tls, app, timeouts }));
    open.push({ listener, mirror });
  }
  opening.move();
  return open;
}
