import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import { pushImage } from './support/push.ts';
import { tokenFor } from './support/token-client.ts';

/** Ways to write `secret/app` so that one reader might take it for something else. `local` is public. */
const NAMES = [
  'local/../secret/app',
  'local/%2e%2e/secret/app',
  'local/..%2fsecret/app',
  'local/.%2E/secret/app',
  'local/%252e%252e/secret/app',
  'local%2F..%2Fsecret/app',
  'local/app/../../secret/app',
  './secret/app',
  '/secret/app',
  '//secret/app',
  'secret//app',
  'secret%2Fapp',
  'secret%2fapp',
  'secret%252Fapp',
  'secret\\app',
  'secret%5Capp',
  'SECRET/app',
  'Secret/app',
  's%65cret/app',
  'secret%00/app',
  'secret;a=b/app',
  'secret/app;local',
  ' secret/app',
  'secret%20/app',
  'ſecret/app',
  'local/app/manifests/v1/../../../../secret/app',
  'secret/app/manifests/v1/../../../local/app',
];

describe('nobody reaches a private repository by', () => {
  let node: TestNode;
  let image: { readonly digest: Digest; readonly bytes: Buffer };
  before(async () => {
    node = await startNode();
    image = await pushImage(node, 'secret/app', ['v1'], { layers: ['mine'] });
  });
  after(() => node[Symbol.asyncDispose]());

  for (const name of NAMES) {
    it(`writing it "${name}"`, async () => {
      const { bytes, digest } = image;
      const layer = digestOf(Buffer.from('mine'));

      for (const end of ['manifests/v1', `manifests/${digest}`, `blobs/${layer}`, 'tags/list']) {
        const answer = await node.send({ path: encoded(`/v2/${name}/${end}`) });
        const what = `${end}: ${answer.status} ${answer.body.toString()}`;
        assert.ok(answer.status >= 400 && answer.status < 500, what);
        assert.equal(answer.body.includes('mine') || answer.body.equals(bytes), false, what);
      }
    });
  }

  it('asking for the whole address of another host, or by another way in', async () => {
    const paths = [
      'http://localhost/v2/secret/app/manifests/v1',
      '/V2/secret/app/manifests/v1',
      '/v2/secret/app/manifests/v1/',
      '/v2/secret/app/manifests/v1%23',
      '/v2/../v2/secret/app/manifests/v1',
      '/api/v2.0/../../v2/secret/app/manifests/v1',
      '/healthz/../v2/secret/app/manifests/v1',
      '/api/v2.0/projects/local/repositories/..%252F..%252Fsecret%252Fapp/artifacts/v1',
      '/api/v2.0/projects/local%2F..%2Fsecret',
      '/api/v2.0/projects/SECRET',
    ];

    for (const path of paths) {
      const { status, body } = await node.send({ path });
      assert.ok(status >= 400 && status < 500, `${path}: ${status} ${body.toString()}`);
    }
  });

  it('asking for a token with a name of that kind', async () => {
    for (const name of NAMES) {
      const token = await tokenFor(node, [`repository:${encodeURI(name)}:pull,push,delete`]);
      const [, claims = ''] = token.split('.');
      const { access } = Claims.parse(JSON.parse(Buffer.from(claims, 'base64url').toString()));
      const given = access.filter(({ actions }) => actions.length > 0);
      const outside = given.filter(({ name: granted }) => /secret/i.test(granted));

      assert.deepEqual(outside, [], name);
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await node.send({ path: '/v2/secret/app/manifests/v1', headers });
      assert.equal(answer.status, 401, name);
    }
  });

  it('mounting from a name of that kind', async () => {
    const digest = digestOf(Buffer.from('mine'));
    await createMember(node);
    for (const name of ['secret/app', ...NAMES]) {
      const from = encodeURIComponent(name);
      const path = `/v2/local/app/blobs/uploads/?mount=${digest}&from=${from}`;
      const answer = await node.send({ method: 'POST', path, as: 'ada:Correct-Horse-7' });

      assert.equal(answer.status, 202, `${name}: ${answer.body.toString()}`);
    }
  });
});

const Claims = z.object({
  access: z.array(z.object({ name: z.string(), actions: z.array(z.string()) })),
});

/** Ada may push to `local`, and nothing else. */
async function createMember(node: TestNode): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  const post = async (path: string, body: object): Promise<void> => {
    const sent = { method: 'POST', path: `/api/v2.0${path}`, as: ADMIN, headers };
    const answer = await node.send({ ...sent, body: JSON.stringify(body) });
    assert.equal(answer.status, 201, answer.body.toString());
  };
  const email = 'ada@portolan.example';
  const password = 'Correct-Horse-7';
  await post('/users', { username: 'ada', password, email, realname: 'Ada' });
  await post('/projects/local/members', { role_id: 2, member_user: { username: 'ada' } });
}

/** What a request line cannot carry, escaped; everything else as it is. */
function encoded(path: string): string {
  return path.replaceAll(/[^\x21-\x7e]/g, (character) => encodeURIComponent(character));
}
