import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type ApiNode, startApiNode } from './support/node.ts';

const MEMBERS = '/projects/secret/members';
const Member = z.object({
  id: z.number(),
  entity_id: z.number(),
  entity_name: z.string(),
  entity_type: z.enum(['u', 'g']),
  role_id: z.number(),
  role_name: z.string(),
});
const Listed = z.array(Member);
const Group = z.object({ id: z.number(), group_name: z.string(), group_type: z.number() });

async function membersOf(node: ApiNode, query = ''): Promise<z.infer<typeof Listed>> {
  return Listed.parse((await node.call(`GET ${MEMBERS}${query}`)).json());
}

const addGuest = (node: ApiNode, role_id: number): Promise<string> =>
  node.create(MEMBERS, { role_id, member_user: { username: 'guest' } });

describe('a member of a project', () => {
  it('is added by name, found, given another role and removed', async () => {
    await using node = await startApiNode();

    const path = await addGuest(node, 2);
    const [member] = await membersOf(node);
    assert.deepEqual(
      [member?.entity_name, member?.entity_type, member?.role_id, member?.role_name],
      ['guest', 'u', 2, 'developer'],
    );
    assert.deepEqual(Member.parse((await node.call(`GET ${path}`)).json()), member);
    assert.equal((await membersOf(node, '?entityname=nobody')).length, 0);

    assert.equal((await node.call(`PUT ${path}`, { role_id: 3 })).status, 200);
    assert.equal((await membersOf(node))[0]?.role_name, 'guest');
    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
  });

  it('may what its role may, from the next request on', async () => {
    await using node = await startApiNode();
    const list = async () => (await node.call(`GET ${MEMBERS}`, undefined, 'guest:pw')).status;
    const add = async () => (await node.call(`POST ${MEMBERS}`, { role_id: 1 }, 'guest:pw')).status;

    assert.equal(await list(), 403);
    const path = await addGuest(node, 3);
    assert.equal(await list(), 200);
    assert.equal(await add(), 403);
    await node.call(`PUT ${path}`, { role_id: 1 });
    assert.equal(await add(), 400, 'it may, and names nobody');
    await node.call(`DELETE ${path}`);
    assert.equal(await list(), 403);
  });

  it('is named beside an empty group, or an empty user, as Terraform does', async () => {
    await using node = await startApiNode();
    const path = await node.create('/usergroups', { group_name: 'ops', group_type: 3 });
    const { id } = Group.parse((await node.call(`GET ${path}`)).json());

    await node.create(MEMBERS, {
      role_id: 2,
      member_user: { username: 'guest' },
      member_group: {},
    });
    await node.create(MEMBERS, { role_id: 3, member_user: {}, member_group: { id } });

    const names = (await membersOf(node)).map(({ entity_name }) => entity_name);
    assert.deepEqual(names.toSorted(), ['guest', 'ops']);
  });

  it('is somebody, once, with a role that there is', async () => {
    await using node = await startApiNode();
    await addGuest(node, 2);
    const add = async (body: object) => (await node.call(`POST ${MEMBERS}`, body)).status;

    assert.equal(await add({ role_id: 3, member_user: { username: 'guest' } }), 409);
    assert.equal(await add({ role_id: 3, member_user: { username: 'stranger' } }), 400);
    assert.equal(await add({ role_id: 9, member_user: { username: 'admin' } }), 400);
    assert.equal(await add({ role_id: 3 }), 400);
    assert.equal(await add({ role_id: 3, member_group: { group_name: 'x', group_type: 7 } }), 400);
  });

  it('may be a group', async () => {
    await using node = await startApiNode();
    await node.create('/usergroups', { group_name: 'staff', group_type: 3 });

    await node.create(MEMBERS, {
      role_id: 4,
      member_group: { group_name: 'staff', group_type: 3 },
    });

    const [member] = await membersOf(node);
    assert.deepEqual([member?.entity_name, member?.entity_type], ['staff', 'g']);
  });
});

describe('a user group', () => {
  it('is created, found, renamed and deleted', async () => {
    await using node = await startApiNode();
    const dn = 'cn=ops,dc=example,dc=com';

    const path = await node.create('/usergroups', {
      group_name: 'ops',
      group_type: 1,
      ldap_group_dn: dn,
    });
    const group = Group.parse((await node.call(`GET ${path}`)).json());
    assert.deepEqual([group.group_name, group.group_type], ['ops', 1]);
    assert.equal((await node.call(`PUT ${path}`, { group_name: 'operators' })).status, 200);
    for (const query of ['?group_name=oper', `?ldap_group_dn=${encodeURIComponent(dn)}`]) {
      const listed = z.array(Group).parse((await node.call(`GET /usergroups${query}`)).json());
      assert.deepEqual(
        listed.map(({ group_name }) => group_name),
        ['operators'],
      );
    }
    const found = await node.call('GET /usergroups/search?groupname=oper', undefined, 'guest:pw');
    assert.equal(z.array(Group).parse(found.json()).length, 1);

    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
    assert.equal((await node.call(`DELETE ${path}`)).status, 400);
  });

  it('has a name of its own and a type that there is', async () => {
    await using node = await startApiNode();
    await node.create('/usergroups', { group_name: 'ops', group_type: 3 });
    const create = async (body: object) => (await node.call('POST /usergroups', body)).status;

    assert.equal(await create({ group_name: 'ops', group_type: 3 }), 409);
    assert.equal(await create({ group_name: 'other', group_type: 4 }), 400);
    assert.equal(await create({ group_name: 'other', group_type: 1 }), 400);
  });
});
