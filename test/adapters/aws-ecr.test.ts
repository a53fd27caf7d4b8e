import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { EndpointConfig } from '../../adapters/index.ts';
import { certificateIn } from '../http/support/certificate.ts';
import { connectPeer, type PeerSettings } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream, type UpstreamOptions } from '../support/upstream.ts';
import { failed, startEcrApi } from './apis/ecr-api.ts';
import { conformsToPeer } from './conformance.ts';
import { conformsToLists } from './conformance-listings.ts';
import type { VendorSettings } from './vendor.ts';

const signal = AbortSignal.timeout(120_000);
const KEY = { username: 'AKIAIOSFODNN7EXAMPLE', password: 'wJalrXUtnFEMI/K7MDENG' };
const ACCOUNT = '123456789012';

/** A registry that takes the passwords that its API gives, and the API. */
async function startEcr(
  upstreamOptions?: UpstreamOptions,
  more: Partial<PeerSettings> = {},
  tls?: UpstreamOptions['tls'],
) {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream(upstreamOptions));
  const api = stack.use(await startEcrApi(upstream, tls));
  const clock = { ms: 0 };
  const now = () => Date.now() + clock.ms;
  const options = { region: 'eu-central-1', registryId: ACCOUNT, apiUrl: api.url.href };
  const asked = { adapter: 'aws-ecr', url: upstream.url, credential: KEY, now, options };
  const connected = (settings: VendorSettings) =>
    stack.use(connectPeer({ ...asked, ...more, ...settings }));
  const { peer, capabilities } = connected({});
  return {
    upstream,
    api,
    clock,
    peer,
    capabilities,
    connect: (settings: VendorSettings) => connected(settings).peer,
    lock: () => upstream.requireBasic('AWS', 'nobody has it yet'),
    known: () => peer,
    expire: () => {
      clock.ms += 60_000;
      upstream.requireBasic('AWS', 'another one');
    },
    hold: async (name: string, tag: string) =>
      upstream.addImage(name, tag, [Buffer.from(`${name}:${tag}`)]).manifest.digest,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const ERRORS = [
  { type: 'ThrottlingException', expected: { name: 'UpstreamThrottled' } },
  { type: 'UnrecognizedClientException', expected: { name: 'UpstreamDenied', status: 403 } },
  { type: 'AccessDeniedException', expected: { name: 'UpstreamDenied', status: 403 } },
  {
    type: 'InvalidParameterException',
    expected: { name: 'UpstreamRefused', code: 'InvalidParameterException', status: 400 },
  },
];

describe('the Amazon ECR adapter', () => {
  conformsToPeer(startEcr);
  conformsToLists({
    adapter: 'aws-ecr',
    moreThanPage: 5,
    start: startEcr,
    lastTagTakesImage: true,
  });

  it('logs in with what the API gives, which it asks once for many requests', async () => {
    await using ecr = await startEcr();
    await ecr.hold('team/app', '1.0');
    ecr.lock();

    const head = () => ecr.peer.headManifest('team/app', '1.0', { signal });
    await head();
    await Promise.all([head(), head(), head()]);
    assert.equal(ecr.api.asked.length, 1);
    assert.equal(ecr.api.asked[0]?.keyId, KEY.username);

    ecr.clock.ms += 12 * 3_600_000;
    await head();
    assert.equal(ecr.api.asked.length, 2);
  });

  it('asks no API in a private network, unless it may', async () => {
    for (const hostname of ['127.0.0.1', 'localhost']) {
      await using ecr = await startEcr();
      const apiUrl = Object.assign(new URL(ecr.api.url), { hostname }).href;
      using connected = connectPeer({
        adapter: 'aws-ecr',
        url: `https://${ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com`,
        credential: KEY,
        allowPrivateAddress: false,
        options: { apiUrl },
      });

      const listing = Array.fromAsync(connected.peer.repositories?.({ signal }) ?? []);

      await assert.rejects(listing, (error: Error) => {
        assert.equal(error.name, 'UpstreamUnavailable');
        assert.match(String(error.cause), /AddressRefused: .* is not a public address/);
        return true;
      });
      assert.equal(ecr.api.server.requests.length, 0);
    }
  });

  it('trusts the certificates of the endpoint at its API, too', async () => {
    await using directory = await temporaryDirectory();
    const { certificate, certFile, keyFile } = await certificateIn(directory.path);
    const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
    await using ecr = await startEcr(undefined, {}, { cert, key });
    const listing = (ca: string | undefined) => {
      using connected = connectPeer({
        adapter: 'aws-ecr',
        url: ecr.upstream.url,
        credential: KEY,
        options: { region: 'eu-central-1', apiUrl: ecr.api.url.href },
        ...(ca === undefined ? {} : { ca }),
      });
      return Array.fromAsync(connected.peer.repositories?.({ signal }) ?? []);
    };
    await ecr.hold('team/app', '1.0');

    assert.deepEqual(await listing(certificate), ['team/app']);
    await assert.rejects(listing(undefined), { name: 'UpstreamUnavailable' });
  });

  it('gets in where tokens are over before they are given', async () => {
    await using ecr = await startEcr();
    // As moto says it, whatever the time.
    ecr.api.lifetime = -1_000_000;
    await ecr.hold('team/app', '1.0');
    ecr.lock();

    await ecr.peer.headManifest('team/app', '1.0', { signal });
  });

  it('makes the repository that a push needs, once', async () => {
    await using ecr = await startEcr();

    for (let i = 0; i < 2; i++) await ecr.peer.preparePush?.('fresh/app', { signal });

    const operations = ecr.api.asked.map(({ operation }) => operation);
    assert.deepEqual(operations, ['DescribeRepositories', 'CreateRepository']);
    assert.ok(ecr.api.made.has('fresh/app'));
  });

  it('is content with a repository that is there, or that somebody else makes meanwhile', async () => {
    await using ecr = await startEcr();
    await ecr.hold('team/app', '1.0');
    ecr.api.server.behave(
      { times: 1 },
      { status: 400, body: failed('RepositoryNotFoundException').body.toString() },
    );

    await ecr.peer.preparePush?.('team/app', { signal });
    await ecr.peer.preparePush?.('team/app', { signal });

    assert.equal(ecr.api.made.size, 0);
  });

  it('asks in the account whose registry it is', async () => {
    await using ecr = await startEcr();

    await Array.fromAsync(ecr.peer.repositories?.({ signal }) ?? []);
    await ecr.peer.preparePush?.('fresh/app', { signal });

    for (const { input } of ecr.api.asked) assert.equal(input.registryId, ACCOUNT);
  });

  it('says that the last tag took the image along', async () => {
    await using ecr = await startEcr();
    const digest = await ecr.hold('team/app', '1.0');

    await ecr.peer.deleteTag('team/app', '1.0', { signal });

    await assert.rejects(ecr.peer.headManifest('team/app', digest, { signal }), {
      code: 'MANIFEST_UNKNOWN',
    });
  });

  for (const { type, expected } of ERRORS) {
    it(`tells ${type} as it is`, async () => {
      await using ecr = await startEcr();
      ecr.api.server.behave({}, { status: 400, body: failed(type).body.toString() });

      await assert.rejects(Array.fromAsync(ecr.peer.repositories?.({ signal }) ?? []), expected);
    });
  }

  it('tells that its API is down, and stops with the signal’s own reason', async () => {
    await using ecr = await startEcr();
    ecr.api.server.behave({}, { silent: true });
    const controller = new AbortController();
    const waiting = ecr.peer.preparePush?.('a/b', { signal: controller.signal });
    const stopped = assert.rejects(waiting ?? Promise.resolve(), { message: 'enough' });
    setImmediate(() => controller.abort(new Error('enough')));
    await stopped;

    await ecr.api[Symbol.asyncDispose]();
    await assert.rejects(Array.fromAsync(ecr.peer.repositories?.({ signal }) ?? []), {
      name: 'UpstreamUnavailable',
      reason: 'unreachable',
    });
  });

  const urls = [
    { url: `https://${ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com`, is: 'the registry' },
    { url: `https://${ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com`, is: 'a FIPS one' },
    { url: `https://${ACCOUNT}.dkr-ecr.eu-central-1.on.aws`, is: 'of both address families' },
    { url: `https://${ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn`, is: 'in China' },
    { url: 'https://api.ecr.eu-central-1.amazonaws.com', is: 'the API, as Harbor names it' },
  ];
  for (const { url, is } of urls) {
    it(`knows the region of a URL that is ${is}`, async () => {
      await using registry = await startUpstream();
      await using api = await startEcrApi(registry);
      const options = { apiUrl: api.url.href };
      using connected = connectPeer({ adapter: 'aws-ecr', url, credential: KEY, options });

      await Array.fromAsync(connected.peer.repositories?.({ signal }) ?? []);

      const region = /\b([a-z]{2}(?:-[a-z]+)+-\d)\b/.exec(url)?.[1];
      const [request] = api.server.requests;
      assert.ok(request?.headers.authorization?.includes(`/${region}/ecr/`), `${region}`);
      const isApi = url.includes('api.ecr');
      assert.equal(api.asked[0]?.input.registryId, isApi ? undefined : ACCOUNT);
    });
  }

  it('finds the registry where the URL is that of the API', async () => {
    await using ecr = await startEcr();
    const digest = await ecr.hold('team/app', '1.0');
    const url = 'https://api.ecr.eu-central-1.amazonaws.com';
    const options = { apiUrl: ecr.api.url.href };
    using connected = connectPeer({ adapter: 'aws-ecr', url, credential: KEY, options });

    const head = await connected.peer.headManifest('team/app', '1.0', { signal });

    assert.equal(head?.digest, digest);
  });

  it('wants a region where the URL names none', async () => {
    using connected = connectPeer({ adapter: 'aws-ecr', url: 'http://127.0.0.1:1' });

    await assert.rejects(Array.fromAsync(connected.peer.repositories?.({ signal }) ?? []), {
      message: /options\.region/,
    });
  });

  it('takes what it is told in the configuration', () => {
    const url = `https://${ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com`;

    assert.equal(EndpointConfig.safeParse({ adapter: 'aws-ecr', url }).success, true);
    const options = { registryId: '12' };
    assert.match(
      EndpointConfig.safeParse({ adapter: 'aws-ecr', url, options }).error?.message ?? '',
      /twelve digits/,
    );
  });
});
