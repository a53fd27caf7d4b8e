import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { startUpstream } from '../support/upstream.ts';
import { conformsToReadablePeer } from './conformance-readable.ts';
import { serveArchives, someCharts, startReadable, startRepository } from './helm-repository.ts';
import { archiveOf, chartOf, indexOf } from './helm-support.ts';

const signal = AbortSignal.timeout(120_000);
const PROVENANCE = 'application/vnd.cncf.helm.chart.provenance.v1.prov';
const ME = { username: 'me', password: 'secret' };

describe('the Helm adapter', () => {
  conformsToReadablePeer(startReadable);

  it('has a repository for each chart and a tag for each version', async () => {
    await using helm = await startRepository(await someCharts());

    const names = await Array.fromAsync(helm.peer.repositories?.({ signal }) ?? []);
    const some = await Array.fromAsync(helm.peer.repositories?.({ signal, prefix: 're' }) ?? []);
    const tags = await Array.fromAsync(helm.peer.tags('nginx', { signal }));

    assert.deepEqual(names, ['nginx', 'redis']);
    assert.deepEqual(some, ['redis']);
    assert.deepEqual(tags, ['1.1.0', '1.0.0_build.5']);
    assert.equal(helm.fetched(/tgz$/), 0);
    await assert.rejects(Array.fromAsync(helm.peer.tags('none', { signal })), {
      code: 'NAME_UNKNOWN',
    });
  });

  it('makes an OCI chart of a version, whole and readable', async () => {
    const [nginx] = await someCharts();
    assert.ok(nginx?.archive);
    await using helm = await startRepository([nginx]);

    const head = await helm.peer.headManifest('nginx', '1.1.0', { signal });
    const { bytes, descriptor } = await helm.peer.manifest('nginx', '1.1.0', { signal });
    const parsed = parseManifest(bytes, descriptor.mediaType);

    assert.deepEqual(head, descriptor);
    const [config, layer] = parsed.references;
    assert.ok(config !== undefined && layer !== undefined);
    assert.equal(config.mediaType, 'application/vnd.cncf.helm.config.v1+json');
    assert.equal(layer.mediaType, 'application/vnd.cncf.helm.chart.content.v1.tar+gzip');
    const read = async (digest: typeof layer.digest) =>
      buffer((await helm.peer.blob('nginx', digest, { signal })).content);
    assert.deepEqual(await read(layer.digest), nginx.archive);
    assert.equal(
      (await read(config.digest)).toString(),
      '{"name":"nginx","version":"1.1.0","description":"A chart \\u003cfor\\u003e tests","apiVersion":"v2","appVersion":"1.0"}',
    );
    assert.equal(await helm.peer.blobSize('nginx', layer.digest, { signal }), layer.size);
    assert.equal(await helm.peer.blobSize('nginx', config.digest, { signal }), config.size);
    assert.equal(parsed.annotations['org.opencontainers.image.version'], '1.1.0');
    // Once for the manifest, which was made of it, and once for its bytes.
    assert.equal(helm.fetched(/tgz$/), 2);
  });

  it('brings along what the author signed', async () => {
    const [nginx] = await someCharts();
    assert.ok(nginx?.archive);
    const signed = Buffer.from('-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: nginx\n');
    await using helm = await startRepository([nginx]);
    await using unsigned = await startRepository([nginx]);
    helm.web.serveApi(/\.prov$/, () => ({ status: 200, headers: {}, body: signed }));
    // Stores whose lists are not public say so of what is not there.
    unsigned.web.behave({ path: /\.prov$/ }, { status: 403 });

    const { bytes, descriptor } = await helm.peer.manifest('nginx', '1.1.0', { signal });
    const plain = await unsigned.peer.manifest('nginx', '1.1.0', { signal });

    const { references } = parseManifest(bytes, descriptor.mediaType);
    const found = references.find(({ mediaType }) => mediaType === PROVENANCE);
    assert.ok(found);
    const [, ...layers] = references.map(({ digest }) => digest);
    assert.deepEqual([layers.length, layers], [2, layers.toSorted()]);
    const { content } = await helm.peer.blob('nginx', found.digest, { signal });
    assert.deepEqual(await buffer(content), signed);
    assert.equal(await helm.peer.blobSize('nginx', found.digest, { signal }), signed.length);
    assert.equal(parseManifest(plain.bytes, undefined).references.length, 2);
  });

  it('makes the same of the same archive, whenever and wherever', async () => {
    const all = await someCharts();
    const digests = new Set<string | undefined>();
    for (let i = 0; i < 2; i++) {
      await using helm = await startRepository(all);
      digests.add((await helm.peer.headManifest('nginx', '1.0.0_build.5', { signal }))?.digest);
    }

    assert.equal(digests.size, 1);
  });

  it('finds manifests and blobs by digest, though it was started a moment ago', async () => {
    const all = await someCharts();
    await using first = await startRepository(all);
    const { descriptor, bytes } = await first.peer.manifest('nginx', '1.0.0_build.5', { signal });
    const [config, layer] = parseManifest(bytes, descriptor.mediaType).references;
    assert.ok(config !== undefined && layer !== undefined);

    await using second = await startRepository(all);
    const found = await second.peer.blob('nginx', layer.digest, { signal, range: { start: 5 } });
    const rest = (await buffer(found.content)).subarray(5 - found.start);
    assert.deepEqual(rest, all[1]?.archive?.subarray(5));
    // The index said which one it is.
    assert.equal(second.fetched(/nginx-1\.1\.0/), 0);

    await using third = await startRepository(all);
    assert.deepEqual(
      (await third.peer.manifest('nginx', descriptor.digest, { signal })).bytes,
      bytes,
    );
    await using fourth = await startRepository(all);
    const part = await fourth.peer.blob('nginx', config.digest, {
      signal,
      range: { start: 1, end: 7 },
    });
    assert.equal((await buffer(part.content)).toString(), '"name"');
    const nowhere = digestOf(Buffer.from('nowhere'));
    await assert.rejects(fourth.peer.blob('nginx', nowhere, { signal }), { code: 'BLOB_UNKNOWN' });
    await assert.rejects(fourth.peer.manifest('nginx', nowhere, { signal }), {
      code: 'MANIFEST_UNKNOWN',
    });
  });

  it('refuses an archive that is not what the index says', async () => {
    const [nginx] = await someCharts();
    assert.ok(nginx);
    await using helm = await startRepository([nginx]);
    helm.web.serveApi(/never/, () => undefined);
    helm.write(indexOf([{ ...nginx, archive: await chartOf('nginx', '6.6.6') }]));

    await assert.rejects(helm.peer.manifest('nginx', '1.1.0', { signal }), {
      name: 'UpstreamInvalid',
      message: /where its index says/,
    });
  });

  const broken = [
    { name: 'no archive', archive: Buffer.from('<html>'), says: /no gzip archive/ },
    {
      name: 'an archive without Chart.yaml',
      files: { 'x/values.yaml': '' },
      says: /no Chart\.yaml/,
    },
    { name: 'a Chart.yaml that is no YAML', files: { 'x/Chart.yaml': '{' }, says: /no YAML/ },
    {
      name: 'a Chart.yaml without a version',
      files: { 'x/Chart.yaml': 'name: x' },
      says: /version/,
    },
  ];
  for (const { name, archive, files, says } of broken) {
    it(`says why a version is no chart: ${name}`, async () => {
      const bytes = archive ?? (await archiveOf(files ?? {}));
      await using helm = await startRepository([
        { name: 'x', version: '1.0.0', url: 'x.tgz', archive: bytes },
      ]);

      await assert.rejects(helm.peer.manifest('x', '1.0.0', { signal }), {
        code: 'MANIFEST_INVALID',
        message: says,
      });
    });
  }

  it('logs in where it is told to, and shows its login to no other host', async () => {
    const [nginx] = await someCharts();
    assert.ok(nginx);
    await using elsewhere = await startUpstream();
    serveArchives(elsewhere, [nginx]);
    const url = new URL(nginx.url, elsewhere.url).href;
    await using helm = await startRepository([{ ...nginx, url }], { credential: ME });

    await helm.peer.manifest('nginx', '1.1.0', { signal });

    assert.match(helm.web.requests[0]?.headers.authorization ?? '', /^Basic /);
    assert.equal(elsewhere.count({ path: /\.tgz$/ }), 1);
    assert.ok(elsewhere.requests.every(({ headers }) => headers.authorization === undefined));
  });

  it('takes nothing, and says so', async () => {
    await using helm = await startRepository(await someCharts());
    const digest = digestOf(Buffer.from('x'));

    assert.equal(await helm.peer.mountBlob('nginx', digest, 'redis', { signal }), false);
    for (const writing of [
      helm.peer.deleteTag('nginx', '1.1.0', { signal }),
      helm.peer.deleteManifest('nginx', digest, { signal }),
      helm.peer.pushBlob('nginx', { digest, size: 1 }, () => Promise.reject(new Error('x')), {
        signal,
      }),
    ]) {
      await assert.rejects(writing, { code: 'UNSUPPORTED', message: /only read/ });
    }
    assert.deepEqual(await helm.peer.referrers('nginx', digest, { signal }), []);
  });
});
