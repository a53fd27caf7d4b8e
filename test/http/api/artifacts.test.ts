import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { digestOf } from '../../../src/oci/digest.ts';
import { pushBlob, pushImage, putManifest } from '../support/push.ts';
import { type ApiNode, startApiNode } from './support/node.ts';

const REPOSITORY = '/projects/secret/repositories/team%252Fapp';
const ARTIFACTS = `${REPOSITORY}/artifacts`;

const Artifact = z.object({
  id: z.number(),
  digest: z.string(),
  type: z.string(),
  repository_name: z.string(),
  size: z.number().positive(),
  tags: z.array(z.object({ name: z.string(), immutable: z.boolean() })).optional(),
  labels: z.array(z.object({ name: z.string() })).optional(),
  accessories: z.array(z.object({ digest: z.string() })).optional(),
});
type Artifact = z.infer<typeof Artifact>;

async function artifactsOf(node: ApiNode, query = ''): Promise<readonly Artifact[]> {
  return z.array(Artifact).parse((await node.call(`GET ${ARTIFACTS}${query}`)).json());
}

function tagsOf(artifact: Artifact | undefined): readonly string[] {
  return (artifact?.tags ?? []).map(({ name }) => name).toSorted();
}

/** A selector, as Harbor has them. */
function selected(decoration: string, pattern: string): readonly object[] {
  return [{ kind: 'doublestar', decoration, pattern }];
}

describe('a repository', () => {
  const Repository = z.object({
    name: z.string(),
    artifact_count: z.number(),
    description: z.string(),
  });

  it('is read by a name that is encoded twice, described, listed and deleted', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/team/app', ['v1', 'v2']);

    const { name, artifact_count } = Repository.parse(
      (await node.call(`GET ${REPOSITORY}`)).json(),
    );
    assert.deepEqual([name, artifact_count], ['secret/team/app', 1]);
    assert.equal((await node.call(`PUT ${REPOSITORY}`, { description: 'new' })).status, 200);
    for (const path of ['/projects/secret/repositories', '/repositories']) {
      const listed = z.array(Repository).parse((await node.call(`GET ${path}?q=name=~app`)).json());
      assert.deepEqual(
        listed.map(({ description }) => description),
        ['new'],
      );
    }
    assert.equal((await node.call(`DELETE ${REPOSITORY}`)).status, 200);
    assert.equal((await node.call(`GET ${REPOSITORY}`)).status, 404);
  });

  it('of a private project is in no list of those who may not see it', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/team/app', ['v1']);
    await pushImage(node, 'local/app', ['v1']);

    const all = await node.call('GET /repositories', undefined, 'guest:pw');
    const hidden = await node.call(`GET ${REPOSITORY}`, undefined, 'guest:pw');

    assert.deepEqual(
      z
        .array(Repository)
        .parse(all.json())
        .map(({ name }) => name),
      ['local/app'],
    );
    assert.equal(hidden.status, 403);
  });

  it('is found by the digest of a blob that it has, to be mounted from', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'local/app', ['v1'], { layers: ['shared'] });
    await pushImage(node, 'secret/team/app', ['v1'], { layers: ['shared'] });
    await pushImage(node, 'local/other', ['v1'], { layers: ['other'] });
    const found = async (as?: string) => {
      const q = `blob_digest=${digestOf(Buffer.from('shared'))}`;
      const answer = await node.call(`GET /repositories?q=${q}`, undefined, as);
      return z
        .array(Repository)
        .parse(answer.json())
        .map(({ name }) => name);
    };

    assert.deepEqual(await found(), ['local/app', 'secret/team/app']);
    assert.deepEqual(await found('guest:pw'), ['local/app']);
    const mayNotPull = await robotThat(node, ['list', 'push']);
    assert.deepEqual(await found(mayNotPull), ['local/app']);
    const q = `q=blob_digest=${digestOf(Buffer.from('other'))}`;
    const inProject = await node.call(`GET /projects/local/repositories?${q}`);
    assert.deepEqual(
      z
        .array(Repository)
        .parse(inProject.json())
        .map(({ name }) => name),
      ['local/other'],
    );
    const refused = await node.call('GET /repositories?q=blob_digest=sha256:abc');
    assert.equal(refused.status, 400);
  });
});

/** May do this to repositories of all projects. @returns its login */
async function robotThat(node: ApiNode, actions: readonly string[]): Promise<string> {
  const access = actions.map((action) => ({ resource: 'repository', action }));
  const permissions = [{ kind: 'project', namespace: '*', access }];
  const robot = { name: actions.join('-'), level: 'system', duration: -1, permissions };
  const made = await node.call('POST /robots', robot);
  const { name, secret } = z.object({ name: z.string(), secret: z.string() }).parse(made.json());
  return `${name}:${secret}`;
}

describe('an artifact', () => {
  it('is read by tag and by digest, with as much as the client wants', async () => {
    await using node = await startApiNode();
    const { digest } = await pushImage(node, 'secret/team/app', ['v1'], { layers: ['a'] });

    const byTag = Artifact.parse((await node.call(`GET ${ARTIFACTS}/v1`)).json());
    const byDigest = Artifact.parse((await node.call(`GET ${ARTIFACTS}/${digest}`)).json());
    const [bare] = await artifactsOf(node, '?with_tag=false&with_label=true&with_accessory=true');

    assert.equal(byTag.digest, digest);
    assert.deepEqual(byTag, byDigest);
    assert.deepEqual(tagsOf(byTag), ['v1']);
    assert.equal(bare?.tags, undefined);
    assert.deepEqual([bare?.labels, bare?.accessories], [[], []]);
    assert.equal((await node.call(`GET ${ARTIFACTS}/absent`)).status, 404);
    assert.equal((await node.call(`GET ${ARTIFACTS}/not:adigest`)).status, 400);
  });

  it('is found by its tags, and among those of its project', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/team/app', ['v1'], { layers: ['a'] });
    await pushImage(node, 'secret/team/app', [], { layers: ['b'] });

    assert.deepEqual((await artifactsOf(node, '?q=tags=v1')).map(tagsOf), [['v1']]);
    assert.deepEqual((await artifactsOf(node, '?q=tags=nil')).map(tagsOf), [[]]);
    const all = await node.call('GET /projects/secret/artifacts?sort=-push_time');
    assert.equal(z.array(Artifact).parse(all.json()).length, 2);
  });

  it('is tagged, untagged, copied and deleted', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/team/app', ['v1']);
    const list = async () => {
      const answer = await node.call(`GET ${ARTIFACTS}/v1/tags`);
      return z
        .array(z.object({ name: z.string() }))
        .parse(answer.json())
        .map(({ name }) => name)
        .toSorted();
    };

    const tag = await node.create(`${ARTIFACTS}/v1/tags`, { name: 'latest' });
    assert.equal(tag, `/api/v2.0${ARTIFACTS}/v1/tags/latest`);
    assert.deepEqual(await list(), ['latest', 'v1']);
    assert.equal((await node.call(`POST ${ARTIFACTS}/v1/tags`, { name: 'latest' })).status, 409);
    assert.equal((await node.call(`POST ${ARTIFACTS}/v1/tags`, { name: 'a b' })).status, 400);
    assert.equal((await node.call(`DELETE ${tag}`)).status, 200);
    assert.equal((await node.call(`DELETE ${tag}`)).status, 404);
    assert.deepEqual(await list(), ['v1']);

    const copies = '/projects/local/repositories/copy/artifacts';
    const copied = await node.call(`POST ${copies}?from=secret/team/app:v1`);
    assert.equal(copied.status, 201);
    const copy = Artifact.parse((await node.call(`GET ${copied.headers.location}`)).json());
    assert.equal(copy.repository_name, 'local/copy');

    assert.equal((await node.call(`DELETE ${ARTIFACTS}/v1`)).status, 200);
    assert.equal((await node.call(`GET ${ARTIFACTS}/v1`)).status, 404);
    assert.equal((await node.call(`GET ${copies}/v1`)).status, 200);
  });

  it('is not copied out of a project that the caller may not see', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/team/app', ['v1']);
    const member = { role_id: 2, member_user: { username: 'guest' } };
    await node.create('/projects/local/members', member);
    const copy = (from: string) =>
      node.call(
        `POST /projects/local/repositories/copy/artifacts?from=${from}`,
        undefined,
        'guest:pw',
      );

    const hidden = await copy('secret/team/app:v1');
    const absent = await copy('absent/team/app:v1');

    assert.equal(hidden.status, 404);
    assert.equal(hidden.body.toString().replace('secret', 'absent'), absent.body.toString());
    assert.equal((await copy('nonsense')).status, 400);
  });

  it('tells how it was built', async () => {
    await using node = await startApiNode();
    const history = [{ created_by: 'COPY . /', comment: 'first' }];
    const config = Buffer.from(JSON.stringify({ history }));
    const digest = await pushBlob(node, 'secret/team/app', config);
    const mediaType = 'application/vnd.oci.image.config.v1+json';
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType, digest, size: config.length },
      layers: [],
    };
    await putManifest(node, 'secret/team/app/manifests/v1', Buffer.from(JSON.stringify(manifest)));

    const built = await node.call(`GET ${ARTIFACTS}/v1/additions/build_history`);
    const other = await node.call(`GET ${ARTIFACTS}/v1/additions/readme.md`);

    assert.deepEqual(built.json(), history);
    assert.equal(other.status, 400);
  });

  it('shows what hangs on it', async () => {
    await using node = await startApiNode();
    const { digest, bytes } = await pushImage(node, 'secret/team/app', ['v1']);
    const subject = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size: bytes.length,
    };
    const signature = await pushImage(node, 'secret/team/app', [], { subject });

    const answer = await node.call(`GET ${ARTIFACTS}/v1/accessories`);

    const Accessory = z.object({ digest: z.string(), subject_artifact_digest: z.string() });
    assert.deepEqual(z.array(Accessory).parse(answer.json()), [
      { digest: signature.digest, subject_artifact_digest: digest },
    ]);
  });
});

describe('a label', () => {
  const Label = z.object({ id: z.number(), name: z.string(), scope: z.string() });

  it('of a project is created, put on an artifact, found by it and deleted', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/team/app', ['v1']);

    const content = { name: 'stable', color: '#61717D', scope: 'p', project_id: 2 };
    const path = await node.create('/labels', content);
    const { id } = Label.parse((await node.call(`GET ${path}`)).json());
    assert.equal((await node.call('POST /labels', content)).status, 409);
    assert.equal((await node.call(`POST ${ARTIFACTS}/v1/labels`, { id })).status, 200);
    assert.equal((await node.call(`POST ${ARTIFACTS}/v1/labels`, { id })).status, 409);
    const [artifact] = await artifactsOf(node, `?with_label=true&q=labels=(${id})`);
    assert.deepEqual(artifact?.labels, [{ name: 'stable' }]);
    assert.equal((await node.call(`PUT ${path}`, { name: 'solid' })).status, 200);
    const listed = await node.call('GET /labels?scope=p&project_id=2&name=sol');
    assert.deepEqual(z.array(Label).parse(listed.json()), [{ id, name: 'solid', scope: 'p' }]);
    assert.equal((await node.call(`DELETE ${ARTIFACTS}/v1/labels/${id}`)).status, 200);
    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
  });

  it('of the node is for all to see and for admins to change', async () => {
    await using node = await startApiNode();
    const path = await node.create('/labels', { name: 'all', scope: 'g' });
    const as = 'guest:pw';

    const listed = await node.call('GET /labels?scope=g', undefined, as);
    assert.equal(z.array(Label).parse(listed.json()).length, 1);
    assert.equal((await node.call(`GET ${path}`, undefined, as)).status, 200);
    assert.equal((await node.call(`PUT ${path}`, { name: 'mine' }, as)).status, 404);
    assert.equal((await node.call('POST /labels', { name: 'x', scope: 'g' }, as)).status, 403);
    const hidden = await node.call('GET /labels?scope=p&project_id=2', undefined, as);
    assert.equal(hidden.status, 400, 'the contract has no other refusal');
  });
});

describe('an immutable tag rule', () => {
  const RULES = '/projects/secret/immutabletagrules';
  const RULE = {
    disabled: false,
    action: 'immutable',
    template: 'immutable_template',
    tag_selectors: selected('matches', 'v*'),
    scope_selectors: { repository: selected('repoMatches', '**') },
  };

  it('keeps its tags from the push and from the API until it is gone', async () => {
    await using node = await startApiNode();
    await pushImage(node, 'secret/team/app', ['v1']);

    const path = await node.create(RULES, RULE);
    const Rules = z.array(z.object({ id: z.number(), tag_selectors: z.array(z.unknown()) }));
    const [rule] = Rules.parse((await node.call(`GET ${RULES}`)).json());
    assert.deepEqual(rule?.tag_selectors, RULE.tag_selectors);
    const [artifact] = await artifactsOf(node, '?with_immutable_status=true');
    assert.deepEqual(artifact?.tags, [{ name: 'v1', immutable: true }]);
    assert.equal((await node.call(`DELETE ${ARTIFACTS}/v1/tags/v1`)).status, 412);
    assert.equal((await node.call(`DELETE ${REPOSITORY}`)).status, 412);

    assert.equal((await node.call(`PUT ${path}`, { ...RULE, disabled: true })).status, 200);
    assert.equal((await node.call(`DELETE ${ARTIFACTS}/v1/tags/v1`)).status, 200);
    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`DELETE ${path}`)).status, 404);
    assert.equal((await node.call(`POST ${RULES}`, { ...RULE, tag_selectors: [] })).status, 400);
  });

  it('is switched by that alone, and keeps what a change leaves out', async () => {
    await using node = await startApiNode();
    const path = await node.create(RULES, RULE);
    const change = async (body: object): Promise<unknown> => {
      assert.equal((await node.call(`PUT ${path}`, body)).status, 200);
      const [rule] = z.array(z.looseObject({})).parse((await node.call(`GET ${RULES}`)).json());
      const { disabled, tag_selectors: tags, scope_selectors: scope } = rule ?? {};
      return { disabled, tags, scope };
    };
    const scope = RULE.scope_selectors;

    const off = await change({ disabled: true });
    assert.deepEqual(off, { disabled: true, tags: RULE.tag_selectors, scope });
    const tags = selected('excludes', 'latest');
    // Harbor's own client says nothing of what is false.
    assert.deepEqual(await change({ tag_selectors: tags }), { disabled: false, tags, scope });
    assert.equal((await node.call(`PUT ${RULES}/999`, { disabled: true })).status, 404);
  });
});
