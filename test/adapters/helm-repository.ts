import { artifactOf } from '../../adapters/helm/chart.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { connectPeer, type PeerSettings } from '../support/registry-peer.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { chartOf, type Indexed, indexOf } from './helm-support.ts';
import type { Readable, VendorSettings } from './vendor.ts';

/** A web server with an index and archives. */
export async function startRepository(
  charts: readonly Indexed[],
  more: Pick<PeerSettings, 'credential'> = {},
) {
  const stack = new AsyncDisposableStack();
  const web = stack.use(await startUpstream());
  let index = indexOf(charts);
  web.serveApi(/^\/stable\/index\.yaml$/, ({ headers }) => {
    const etag = `"${digestOf(Buffer.from(index))}"`;
    const isKnown = headers['if-none-match'] === etag;
    const body = isKnown ? Buffer.alloc(0) : Buffer.from(index);
    return { status: isKnown ? 304 : 200, headers: { etag }, body };
  });
  serveArchives(web, charts);
  const clock = { ms: 0 };
  const now = () => Date.now() + clock.ms;
  const url = new URL('stable', web.url);
  const { peer } = stack.use(connectPeer({ adapter: 'helm', url, now, ...more }));
  return {
    web,
    clock,
    peer,
    write(text: string) {
      index = text;
    },
    fetched: (path: RegExp) => web.count({ path }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** For the conformance kit: the web server is a registry's, which gives parts of archives and can want a login for them. */
export async function startReadable(): Promise<Readable> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const charts: Indexed[] = [];
  upstream.serveApi(/^\/index\.yaml$/, () => {
    return { status: 200, headers: {}, body: Buffer.from(indexOf(charts)) };
  });
  const connect = (settings: VendorSettings) =>
    stack.use(connectPeer({ adapter: 'helm', url: upstream.url, ...settings })).peer;
  const credential = { username: 'me', password: 'secret' };
  return {
    upstream,
    peer: connect({}),
    connect,
    lock: () => upstream.requireBasic(credential.username, credential.password),
    known: () => connect({ credential }),
    async hold(name, version) {
      const archive = await chartOf(name.split('/').at(-1) ?? name, version);
      const { digest } = upstream.addBlob(name, archive);
      charts.push({ name, version, url: `v2/${name}/blobs/${digest}`, archive });
      const { manifest } = await artifactOf(archive, undefined);
      return { manifest, digest, content: archive };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export function serveArchives(web: Upstream, charts: readonly Indexed[]): void {
  web.serveApi(/\.tgz$/, ({ url }) => {
    const found = charts.find((chart) => url.href.endsWith(chart.url) && chart.archive);
    if (found?.archive === undefined) return undefined;
    return { status: 200, headers: { 'content-type': 'application/gzip' }, body: found.archive };
  });
}

export async function someCharts(): Promise<readonly Indexed[]> {
  const versions = [
    ['nginx', '1.1.0'],
    ['nginx', '1.0.0+build.5'],
    ['redis', '2.0.0'],
  ] as const;
  return Promise.all(
    versions.map(async ([name, version]) => ({
      name,
      version,
      url: `charts/${name}-${version}.tgz`,
      archive: await chartOf(name, version),
    })),
  );
}
