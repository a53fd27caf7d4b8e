import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import { pushImage } from './support/push.ts';
import { bearer, type TokenAnswer, tokenIn } from './support/token-client.ts';

const Requests = z.array(
  z.object({
    method: z.string(),
    query: z.string(),
    authorization: z.enum(['', 'Basic']),
    contentType: z.string(),
    form: z.string(),
  }),
);
type Requests = z.infer<typeof Requests>;
const Fixture = z.object({
  anonymousPush: Requests,
  login: Requests,
  push: Requests,
  pushWithMount: Requests,
});

const fixture = Fixture.parse(
  JSON.parse(
    await readFile(join(import.meta.dirname, 'fixtures/docker-token-requests.json'), 'utf8'),
  ),
);

describe('the requests for tokens of a real docker', () => {
  it('are answered with what lets it push: first a refresh token, then tokens for it', async () => {
    await using node = await startNode();

    const [login] = await answersTo(node, fixture.login);
    const refreshToken = login?.refresh_token ?? '';
    const [token] = await answersTo(node, fixture.push, refreshToken);

    assert.match(refreshToken, /^[\w-]{43}$/);
    assert.equal(token?.refresh_token, undefined);
    assert.equal(await uploadStatus(node, 'local/x', token?.token), 202);
  });

  it('are answered with what lets it mount what another repository has', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/x', ['v1']);
    const [login] = await answersTo(node, fixture.login);

    const tokens = await answersTo(node, fixture.pushWithMount, login?.refresh_token);

    assert.equal(tokens.at(-1)?.scope, 'repository:local/y:pull,push repository:local/x:pull');
    assert.equal(await uploadStatus(node, 'local/y', tokens.at(-1)?.token), 202);
  });

  it('are answered with a token that pushes nothing, where nobody signed in', async () => {
    await using node = await startNode();

    const [token] = await answersTo(node, fixture.anonymousPush);

    assert.equal(token?.scope, 'repository:local/x:pull');
    assert.equal(await uploadStatus(node, 'local/x', token?.token), 401);
  });
});

async function answersTo(
  node: TestNode,
  requests: Requests,
  refreshToken = '',
): Promise<readonly TokenAnswer[]> {
  const answers: TokenAnswer[] = [];
  for (const { method, query, authorization, contentType, form } of requests) {
    const answer = await node.send({
      method,
      path: `/service/token${query === '' ? '' : `?${query}`}`,
      headers: contentType === '' ? {} : { 'Content-Type': contentType },
      body: form.replace('REFRESH-TOKEN', refreshToken),
      ...(authorization === '' ? {} : { as: ADMIN }),
    });
    answers.push(tokenIn(answer));
  }
  return answers;
}

/** Of an attempt to begin an upload. */
async function uploadStatus(node: TestNode, repository: string, token = ''): Promise<number> {
  const path = `/v2/${repository}/blobs/uploads/`;
  return (await node.send({ method: 'POST', path, headers: bearer(token) })).status;
}
