import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { someCharts, startRepository } from './helm-repository.ts';
import { indexOf } from './helm-support.ts';

const signal = AbortSignal.timeout(120_000);

describe('the index of a Helm repository', () => {
  it('asks for the index once a minute, and for no more of it than is new', async () => {
    const all = await someCharts();
    await using helm = await startRepository(all);
    const tags = () => Array.fromAsync(helm.peer.tags('nginx', { signal }));
    await Promise.all([tags(), tags(), tags()]);
    await tags();
    assert.equal(helm.fetched(/index/), 1);

    helm.clock.ms += 60_000;
    await tags();
    assert.equal(helm.web.requests.at(-1)?.status, 304);

    helm.clock.ms += 60_000;
    helm.write(indexOf(all.slice(1)));
    assert.deepEqual(await tags(), ['1.0.0_build.5']);
  });

  const written = [
    { name: 'JSON', text: (of: string) => JSON.stringify({ entries: { nginx: [itemIn(of)] } }) },
    {
      name: 'flow style',
      text: (of: string) => `entries: {nginx: [${JSON.stringify(itemIn(of))}]}`,
    },
    {
      name: 'items that are indented further',
      text: (of: string) =>
        `entries:\n  "nginx":\n    - version: 1.1.0\n      urls: [${of}]\n    - version: bad tag!\n      urls: []\n`,
    },
    {
      name: 'other indentation',
      text: (of: string) => `entries:\n    nginx:\n    - {version: 1.1.0, urls: [${of}]}\n`,
    },
  ];
  for (const { name, text } of written) {
    it(`reads an index in ${name}`, async () => {
      const [nginx] = await someCharts();
      assert.ok(nginx);
      await using helm = await startRepository([nginx]);
      helm.write(text(nginx.url));

      assert.deepEqual(await Array.fromAsync(helm.peer.tags('nginx', { signal })), ['1.1.0']);
      assert.ok(await helm.peer.headManifest('nginx', '1.1.0', { signal }));
    });
  }

  for (const text of [
    'entries:\n  nginx:\n  - version: 3.20\n    urls: [x.tgz]\n',
    'entries:\n    nginx:\n    - {version: 3.20, urls: [x.tgz]}\n',
  ]) {
    it(`takes a version for text, as Helm does, in ${JSON.stringify(text)}`, async () => {
      await using helm = await startRepository([]);
      helm.write(text);

      assert.deepEqual(await Array.fromAsync(helm.peer.tags('nginx', { signal })), ['3.20']);
    });
  }

  for (const text of ['entries: {}', 'entries:', 'entries: null']) {
    it(`finds no chart in ${JSON.stringify(text)}`, async () => {
      await using helm = await startRepository([]);
      helm.write(text);

      await helm.peer.ping({ signal });
      assert.deepEqual(await Array.fromAsync(helm.peer.repositories?.({ signal }) ?? []), []);
    });
  }

  for (const text of ['- a', '<html>log in</html>', 'entries: {']) {
    it(`says that ${JSON.stringify(text)} is no index`, async () => {
      await using helm = await startRepository([]);
      helm.write(text);

      await assert.rejects(helm.peer.ping({ signal }), {
        name: 'UpstreamInvalid',
        message: /index/,
      });
    });
  }

  it('reads the one chart that is asked for of a large index, while others go on', async () => {
    const large = Array.from({ length: 400 }, (_, chart) =>
      Array.from({ length: 50 }, (__, version) => ({
        name: `chart-${chart}`,
        version: `1.${version}.0`,
        url: 'x.tgz',
      })),
    ).flat();
    await using helm = await startRepository(large);
    let turns = 0;
    const ticking = setInterval(() => (turns += 1), 1);

    const tags = await Array.fromAsync(helm.peer.tags('chart-7', { signal }));
    clearInterval(ticking);

    assert.equal(tags.length, 50);
    assert.ok(turns > 0);
  });
});

function itemIn(url: string): object {
  return { version: '1.1.0', urls: [url] };
}
