import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { DONE, projectRoute, route, scopedRoute } from '../../../src/http/api/route.ts';
import { OciError } from '../../../src/oci/error.ts';
import { ManagementError, type ManagementErrorCode } from '../../../src/oci/management-error.ts';
import { send, startRoutes, things } from './support/routes.ts';

const members = projectRoute({
  operation: 'listProjectMembers',
  method: 'GET',
  path: '/projects/{project_name_or_id}/members',
  permission: { project: 'member:list' },
  answers: [200, 400, 401, 403, 404],
  handle: ({ project }) => ({ text: project.name }),
});

function robots(scope: number | undefined) {
  return scopedRoute({
    operation: 'GetRobotByID',
    method: 'GET',
    path: '/robots/{robot_id}',
    permission: { either: 'robot:read' },
    answers: [200, 401, 403, 404],
    scope: async () => scope,
    handle: () => ({ text: 'robot' }),
  });
}

describe('a project in the path', () => {
  const cases: readonly (readonly [path: string, caller: string, expected: number | string])[] = [
    ['closed', 'guest', 'closed'],
    ['2', 'guest', 'closed'],
    ['2/', 'guest', 'closed'],
    ['closed', 'admin', 'closed'],
    ['closed', 'robot', 'closed'],
    // It is there for all to see, its members are not.
    ['open', 'stranger', 403],
    ['open', '', 401],
    // One that is there and one that is not must look alike.
    ['closed', 'stranger', 403],
    ['nothing', 'stranger', 403],
    ['closed', '', 401],
    ['nothing', '', 401],
    // There is nothing to hide from those who may do it everywhere.
    ['nothing', 'admin', 404],
    ['nothing', 'robot', 404],
  ];
  for (const [path, caller, expected] of cases) {
    it(`${path} is ${expected} for ${caller || 'nobody'}`, async () => {
      await using node = await startRoutes([members]);
      const sent = send(`/projects/${path.replace('/', '')}/members`, caller);
      const slash = path.endsWith('/') ? '/' : '';

      const answer = await node.send({ ...sent, path: `${sent.path}${slash}` });

      if (typeof expected === 'string') assert.equal(answer.body.toString(), expected);
      else assert.equal(answer.status, expected);
    });
  }

  it('says the same of one that is hidden and of one that is missing', async () => {
    await using node = await startRoutes([members]);

    const hidden = await node.send(send('/projects/closed/members', 'stranger'));
    const missing = await node.send(send('/projects/absent/members', 'stranger'));

    assert.equal(hidden.body.toString().replace('closed', 'absent'), missing.body.toString());
  });

  it('is hidden as missing where the operation cannot say forbidden', async () => {
    await using node = await startRoutes([
      projectRoute({
        ...members,
        answers: [200, 400, 404],
        permission: { project: 'member:list' },
        handle: () => DONE,
      }),
    ]);

    assert.equal((await node.send(send('/projects/closed/members', 'stranger'))).status, 404);
  });

  it('is a name although it looks like an id, where the client says so', async () => {
    await using node = await startRoutes([members]);
    const headers = { 'X-Is-Resource-Name': 'true' };

    const answer = await node.send(send('/projects/2/members', 'admin', headers));

    assert.equal(answer.body.toString(), '2');
  });
});

describe('what belongs to a project or to the node', () => {
  const cases: readonly (readonly [scope: number | undefined, caller: string, status: number])[] = [
    [undefined, 'admin', 200],
    [undefined, 'guest', 403],
    [undefined, '', 401],
    [2, 'guest', 200],
    [1, 'stranger', 403],
    [2, 'stranger', 404],
    [2, '', 401],
  ];
  for (const [scope, caller, status] of cases) {
    it(`is ${status} for ${caller || 'nobody'} in ${scope ?? 'the node'}`, async () => {
      await using node = await startRoutes([robots(scope)]);

      assert.equal((await node.send(send('/robots/5', caller))).status, status);
    });
  }
});

describe('an account in the path', () => {
  it('may be the own one, which a robot of the same id is not', async () => {
    await using node = await startRoutes([
      route({
        operation: 'getUser',
        method: 'GET',
        path: '/users/{user_id}',
        permission: { system: 'user:read', orSelf: true },
        answers: [200, 401, 403, 404],
        handle: () => ({ text: 'user' }),
      }),
    ]);
    const ask = async (id: number, caller: string) =>
      (await node.send(send(`/users/${id}`, caller))).status;

    assert.equal(await ask(2, 'guest'), 200);
    assert.equal(await ask(2, 'robot'), 403);
    assert.equal(await ask(3, 'guest'), 403);
    assert.equal(await ask(3, 'admin'), 200);
    assert.equal(await ask(2, ''), 401);
  });
});

describe('a refusal', () => {
  const told: readonly (readonly [ManagementErrorCode, readonly [number, ...number[]], number])[] =
    [
      ['NOT_FOUND', [200, 404], 404],
      ['NOT_FOUND', [200, 400, 403], 400],
      ['CONFLICT', [200, 400], 400],
      ['CONFLICT', [200, 400, 412], 412],
      ['PRECONDITION', [200, 409], 409],
      ['FORBIDDEN', [200, 404], 404],
      ['BAD_REQUEST', [200], 400],
    ];
  for (const [code, answers, status] of told) {
    it(`${code} is ${status} where the contract knows ${answers.join(', ')}`, async () => {
      await using node = await startRoutes(
        things(() => {
          throw new ManagementError(code, 'because');
        }, answers),
      );

      const answer = await node.send(send('/things/1'));

      assert.equal(answer.status, status);
      const Body = z.strictObject({
        errors: z.tuple([z.strictObject({ code: z.string(), message: z.literal('because') })]),
      });
      Body.parse(answer.json());
    });
  }

  it('of the registry is told in the words of the API', async () => {
    const codes = ['NAME_INVALID', 'MANIFEST_UNKNOWN', 'UNSUPPORTED', 'DENIED'] as const;
    const seen = [];
    for (const code of codes) {
      await using node = await startRoutes(
        things(() => {
          throw new OciError(code);
        }),
      );
      const answer = await node.send(send('/things/1'));
      seen.push([answer.status, answer.code]);
    }

    assert.deepEqual(seen, [
      [400, 'BAD_REQUEST'],
      [404, 'NOT_FOUND'],
      [400, 'BAD_REQUEST'],
      [403, 'FORBIDDEN'],
    ]);
  });

  it('that is a fault of ours tells nothing', async () => {
    await using node = await startRoutes(
      things(() => {
        throw new Error('secret');
      }),
    );

    const answer = await node.send(send('/things/1'));

    assert.equal(answer.status, 500);
    assert.equal(answer.code, 'UNKNOWN');
    assert.ok(!answer.body.includes('secret'));
  });

  it('is a 404 where nothing is, and asks no browser for a password', async () => {
    await using node = await startRoutes([members]);

    const unknown = await node.send(send('/nothing'));
    const anonymous = await node.send(send('/projects/closed/members', ''));

    assert.equal(unknown.status, 404);
    assert.equal(unknown.code, 'NOT_FOUND');
    assert.equal(anonymous.status, 401);
    assert.equal(anonymous.headers['www-authenticate'], undefined);
  });

  it('meets what a token for repositories opens: nothing', async () => {
    await using node = await startRoutes([members]);

    assert.equal((await node.send(send('/projects/closed/members', 'pusher'))).status, 401);
  });

  it('meets everything on a mirror, whose clients send passwords of others', async () => {
    await using node = await startRoutes([members], { mirror: 'docker.io' });

    const answer = await node.send(send('/projects/closed/members', 'admin'));

    assert.equal(answer.status, 404);
    assert.equal(answer.code, 'NOT_FOUND');
  });
});

describe('a request', () => {
  it('has the name that its client gave it, unless that could forge a line of the log', async () => {
    await using node = await startRoutes([members]);
    const named = async (id: string) => {
      const answer = await node.send(send('/nothing', 'guest', { 'X-Request-Id': id }));
      return answer.headers['x-request-id'];
    };

    assert.equal(await named('terraform-1'), 'terraform-1');
    assert.match(String(await named('a b')), /^[0-9a-f-]{36}$/);
    assert.match(String(await named('x'.repeat(200))), /^[0-9a-f-]{36}$/);
  });

  it('may name a repository encoded twice, once or not at all', async () => {
    await using node = await startRoutes([
      projectRoute({
        operation: 'getRepository',
        method: 'GET',
        path: '/projects/{project_name}/repositories/{repository_name}',
        permission: { project: 'repository:read' },
        answers: [200, 400, 401, 403, 404],
        handle: (request) => ({ text: request.text('repository_name') }),
      }),
    ]);
    const ask = async (name: string) =>
      node.send(send(`/projects/closed/repositories/${name}`, 'guest'));

    assert.equal((await ask('a%252Fb%252Fc')).body.toString(), 'a/b/c');
    assert.equal((await ask('a%2Fb')).body.toString(), 'a/b');
    assert.equal((await ask('app')).body.toString(), 'app');
    assert.equal((await ask('a%25zz')).status, 400);
  });

  it('has an id of a row where the path wants one', async () => {
    await using node = await startRoutes(
      things((request) => ({ text: String(request.id('thing_id')) })),
    );

    assert.equal((await node.send(send('/things/7'))).body.toString(), '7');
    assert.equal((await node.send(send('/things/seven'))).status, 404);
    assert.equal((await node.send(send(`/things/${'9'.repeat(40)}`))).status, 404);
  });
});
