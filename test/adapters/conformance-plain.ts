import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import type { StartVendor } from './vendor.ts';

const ME = { username: 'me', password: 'secret' };

/** What adapters do besides whose vendor takes a user name and a password as they are, and deletes by the plain protocol. */
export function conformsToPlainRegistry(start: StartVendor): void {
  const signal = AbortSignal.timeout(60_000);
  const head = (peer: RegistryPeer) => peer.headManifest('library/alpine', '3.20', { signal });

  describe('as a plain registry', () => {
    it('answers a ping, with a credential only where that is right', async () => {
      await using vendor = await start();
      vendor.upstream.requireToken({ users: { me: 'secret' }, anonymous: false });
      const wrong = vendor.connect({ credential: { ...ME, password: 'guessed' } });

      await vendor.connect({ credential: ME }).ping({ signal });
      await vendor.peer.ping({ signal });
      await assert.rejects(wrong.ping({ signal }), { name: 'UpstreamDenied' });
    });

    it('gets a token where one is wanted, and keeps it', async () => {
      await using vendor = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      vendor.upstream.requireToken({ lifetimeSeconds: 300 });

      for (let i = 0; i < 3; i++) await head(vendor.peer);

      assert.equal(vendor.upstream.count({ path: /^\/token/ }), 1);
      assert.equal(vendor.upstream.count({ path: /manifests/ }), 4);
      assert.equal(vendor.upstream.seen({ path: /^\/token/ })[0]?.headers.authorization, undefined);
    });

    it('gets one token for many requests at once', async () => {
      await using vendor = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      vendor.upstream.requireToken({ lifetimeSeconds: 300 });
      vendor.upstream.behave({ path: /^\/token/ }, { bytesPerSecond: 1000 });

      await Promise.all(Array.from({ length: 6 }, () => head(vendor.peer)));

      assert.equal(vendor.upstream.count({ path: /^\/token/ }), 1);
    });

    it('gets a token as somebody, and one for each repository', async () => {
      await using vendor = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      vendor.upstream.addImage('team/app', '3.20', []);
      vendor.upstream.requireToken({
        users: { me: 'secret' },
        anonymous: false,
        field: 'access_token',
      });
      const peer = vendor.connect({ credential: ME });

      await head(peer);
      await peer.headManifest('team/app', '3.20', { signal });

      const scopes = vendor.upstream
        .seen({ path: /^\/token/ })
        .map(({ path }) => new URL(path, vendor.upstream.url).searchParams.get('scope'));
      assert.deepEqual(scopes, ['repository:library/alpine:pull', 'repository:team/app:pull']);
    });

    it('renews a token that expired', async () => {
      await using vendor = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      vendor.upstream.requireToken({ lifetimeSeconds: 300 });
      await head(vendor.peer);

      vendor.upstream.tokens.expireAll();
      await head(vendor.peer);

      assert.equal(vendor.upstream.count({ path: /^\/token/ }), 2);
    });

    it('logs in where a login is wanted', async () => {
      await using vendor = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      vendor.upstream.requireBasic('me', 'secret');

      await head(vendor.connect({ credential: ME }));
      await assert.rejects(head(vendor.peer), { name: 'UpstreamDenied', status: 401 });
    });

    it('says in the registry’s words why it is denied', async () => {
      await using vendor = await start();
      const body = '{"errors":[{"code":"UNAUTHORIZED","message":"your plan has ended"}]}';
      const headers = { 'www-authenticate': 'Basic realm="x"' };
      vendor.upstream.behave({}, { status: 401, body, headers });

      const denied = vendor.connect({ credential: ME }).manifest('library/alpine', '3', { signal });

      await assert.rejects(denied, (error) => {
        assert.ok(error instanceof Error && error.cause instanceof Error);
        assert.equal(error.cause.message, 'UNAUTHORIZED: your plan has ended');
        return true;
      });
    });

    it('is denied with a wrong password, or when nobody is let in', async () => {
      await using vendor = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      vendor.upstream.requireToken({ users: { me: 'other' }, anonymous: false });

      const expected = { name: 'UpstreamDenied', status: 401 };
      await assert.rejects(head(vendor.connect({ credential: ME })), expected);
      await assert.rejects(head(vendor.peer), expected);
    });

    it('is denied after one fresh token, and asks no more', async () => {
      await using vendor = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      vendor.upstream.requireToken();
      vendor.upstream.behave(
        { path: /^\/v2/ },
        {
          status: 401,
          headers: {
            'www-authenticate': vendor.upstream.tokens.challenge('/v2/library/alpine/tags/'),
          },
        },
      );

      await assert.rejects(head(vendor.peer), { name: 'UpstreamDenied', status: 401 });
      assert.equal(vendor.upstream.count({ path: /^\/v2/ }), 2);
      assert.equal(vendor.upstream.count({ path: /^\/token/ }), 1);
    });

    it('sends its login to no token realm that is another’s', async () => {
      await using vendor = await start();
      await using thief = await start();
      vendor.upstream.addImage('library/alpine', '3.20', []);
      const realm = `http://localhost:${thief.upstream.url.port}/token`;
      vendor.upstream.requireToken({ realm });

      await assert.rejects(head(vendor.connect({ credential: ME })), {
        name: 'UpstreamDenied',
        status: 401,
      });
      assert.equal(thief.upstream.requests.length, 0);
    });

    it('asks for the right to read where it mounts from', async () => {
      await using vendor = await start();
      vendor.upstream.requireToken({ users: { me: 'secret' }, anonymous: false });
      const { digest } = vendor.upstream.addBlob('team/base', Buffer.from('layer'));
      const peer = vendor.connect({ credential: ME });

      assert.equal(await peer.mountBlob('team/app', digest, 'team/base', { signal }), true);

      const scopes = vendor.upstream
        .seen({ path: /^\/token/ })
        .map(({ path }) => new URL(path, vendor.upstream.url).searchParams.getAll('scope'));
      assert.deepEqual(scopes.at(-1), [
        'repository:team/app:pull,push',
        'repository:team/base:pull',
      ]);
    });

    it('says UNSUPPORTED where nothing can be deleted', async () => {
      await using vendor = await start();
      const { manifest } = vendor.upstream.addImage('team/app', '1.0', []);
      vendor.upstream.uploads.rules = { deletes: false };

      await assert.rejects(vendor.peer.deleteManifest('team/app', manifest.digest, { signal }), {
        code: 'UNSUPPORTED',
      });
    });
  });
}
