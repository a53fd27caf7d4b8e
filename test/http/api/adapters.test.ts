import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { z } from 'zod';
import { VENDORS } from '../../../adapters/index.ts';
import { ADMIN, startNode } from '../support/node.ts';
import { ownDocument } from './support/own-document.ts';

const ADAPTERS = { path: '/api/portolan/v1/adapters', as: ADMIN } as const;

const Schema = z.looseObject({
  properties: z.record(z.string(), z.looseObject({ description: z.string().min(1) })).optional(),
});
const Adapters = z.array(
  z.looseObject({
    name: z.string(),
    harborType: z.string(),
    description: z.string().min(1),
    credential: z.looseObject({ description: z.string().min(1) }),
    options: Schema,
  }),
);

describe('the adapters, by the node’s own API', () => {
  it('are told with what they can, and as their document says', async () => {
    await using node = await startNode();
    const document = await ownDocument(node);

    const answer = await node.send(ADAPTERS);

    document.assertDeclared(ADAPTERS, answer);
    const told = Adapters.parse(answer.json());
    assert.deepEqual(
      told.map(({ name }) => name),
      VENDORS.map(({ name }) => name),
    );
    const { options: _options, ...ghcr } = told.find(({ name }) => name === 'ghcr') ?? {};
    assert.deepEqual(ghcr, {
      name: 'ghcr',
      harborType: 'github-ghcr',
      title: 'GitHub Container Registry',
      description:
        'ghcr.io. Lists the packages of owners by GitHub’s API; deletes manifests with their tags, but no tag alone.',
      places: [{ name: 'ghcr.io', url: 'https://ghcr.io/' }],
      credential: {
        description:
          'A user name, and a personal access token (classic) with read:packages; write:packages to push, delete:packages to delete.',
        isFile: false,
      },
      capabilities: {
        push: true,
        chunkedPush: true,
        mount: true,
        deleteManifest: true,
        deleteTag: false,
        listRepositories: true,
        listTagDigests: true,
        prepare: false,
      },
      nameParts: { least: 2 },
    });
  });

  it('say of their options what the configuration takes, each with its description', async () => {
    await using node = await startNode();

    const told = Adapters.parse((await node.send(ADAPTERS)).json());

    const owners = told.find(({ name }) => name === 'ghcr')?.options.properties?.['owners'];
    assert.match(owners?.description ?? '', /^Whose packages/);
    assert.deepEqual(owners?.['examples'], [['my-organisation']]);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const { name, options } of told) {
      const isValid = ajv.compile(options);
      assert.ok(!isValid({ nothing: 'such' }), name);
      assert.ok(isValid({}), `${name}: ${ajv.errorsText(isValid.errors)}`);
    }
  });
});
