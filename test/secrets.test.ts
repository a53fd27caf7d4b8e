/** Nothing that opens a door is to be found where it does not belong: files, logs, answers. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ask, type ServingNode, serve } from './cli/support.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { startUpstream, type Upstream } from './support/upstream.ts';

const Created = z.object({ name: z.string(), secret: z.string() });
const Tokens = z.object({ token: z.string(), refresh_token: z.string().optional() });
const SCOPE = 'service=portolan&scope=repository:local/app:pull,push';

describe('a secret', () => {
  it('that the node was told, made or given is in no file of it, in no line of its log and in no answer', async () => {
    await using folder = await temporaryDirectory();
    await using upstream = await startUpstream();
    const data = join(folder.path, 'data');
    const secrets = new Secrets();
    const login = secrets.login('hub-user');
    upstream.addImage('app', 'v1', [Buffer.from('layer')]);
    const other = secrets.login('endpoint-user');
    const users = { [login.name]: login.password, [other.name]: other.password };
    upstream.requireToken({ users, anonymous: false });
    const file = join(folder.path, 'config.yaml');
    await writeFile(file, configOf(upstream, login));
    const admin = secrets.login('admin');
    const env = {
      PORTOLAN_ADMIN_PASSWORD: admin.password,
      PORTOLAN_MASTER_KEY: secrets.add('master key', randomBytes(32).toString('base64')),
    };
    await using node = await serve(data, { args: ['--config', file], env });
    const teller = new Teller(node, secrets, admin);

    await tellPeople(teller);
    await tellRobots(teller);
    await tellEndpoints(teller, upstream, other);
    await tellTokens(teller);
    await tellBrowsers(teller);
    await tellNonsense(teller);
    for (const { headers } of upstream.requests) {
      const { authorization } = headers;
      if (authorization !== undefined)
        secrets.add('for upstream', authorization.split(' ')[1] ?? '');
    }
    secrets.assertAbsent('in the files of the running node', await contentsOf(data));
    node.signal('SIGTERM');
    assert.equal(await node.ended(), 0);

    const { stdout, stderr } = node.output();
    assert.ok(stdout.split('\n').length > 40, 'it logged what was asked');
    secrets.assertAbsent('in the log', Buffer.from(stdout));
    secrets.assertAbsent('in what people read', Buffer.from(stderr));
    secrets.assertAbsent('in the files', await contentsOf(data));
    for (const { what, body } of teller.answers) secrets.assertAbsent(`answered to ${what}`, body);
  });
});

interface Login {
  readonly name: string;
  readonly password: string;
}

/** Each is random, so that finding it is no accident. */
class Secrets {
  readonly #known: { readonly what: string; readonly text: string }[] = [];

  login(name: string): Login {
    const password = this.add(`password of ${name}`, `Aa1-${randomBytes(12).toString('hex')}`);
    this.add(`login of ${name}`, btoa(`${name}:${password}`));
    return { name, password };
  }

  add(what: string, text: string): string {
    assert.ok(text.length >= 16, what);
    this.#known.push({ what, text });
    return text;
  }

  assertAbsent(where: string, content: Buffer): void {
    for (const { what, text } of this.#known) {
      const written = [
        text,
        btoa(text),
        encodeURIComponent(text),
        JSON.stringify(text).slice(1, -1),
      ];
      for (const form of written) assert.equal(content.indexOf(form), -1, `${what} is ${where}`);
    }
  }
}

interface Told {
  readonly as?: Login;
  readonly json?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Tells the node secrets, and keeps what it answers. */
class Teller {
  readonly answers: { readonly what: string; readonly body: Buffer }[] = [];
  readonly secrets: Secrets;
  readonly admin: Login;
  readonly #node: ServingNode;

  constructor(node: ServingNode, secrets: Secrets, admin: Login) {
    this.#node = node;
    this.secrets = secrets;
    this.admin = admin;
  }

  /** `GET /path`. What it answers must not have a secret in it. */
  async tell(what: string, told: Told = {}) {
    const answer = await this.receive(what, told);
    this.answers.push({ what, body: Buffer.from(answer.body) });
    return answer;
  }

  /** What it answers is a secret that it gives away, this once. */
  async receive(what: string, { as, json, headers = {}, body }: Told) {
    const [method = '', path = ''] = what.split(' ');
    const content = json === undefined ? body : JSON.stringify(json);
    const type = json === undefined ? {} : { 'Content-Type': 'application/json' };
    const signed =
      as === undefined ? {} : { Authorization: `Basic ${btoa(`${as.name}:${as.password}`)}` };
    const sent = { method, headers: { ...type, ...signed, ...headers } };
    return ask(this.#node, path, content === undefined ? sent : { ...sent, body: content });
  }
}

function configOf(upstream: Upstream, { name, password }: Login): string {
  return `
seed: false
limits: { privateEndpoints: true }
telemetry: { level: debug }
endpoints:
  lab:
    adapter: distribution
    url: '${upstream.url.href}'
    allowPrivateAddress: true
    credential: { username: ${name}, password: '${password}' }
projects:
  local: {}
  lab: { public: false, proxy: { endpoints: [lab], upstreamHost: lab.example } }
`;
}

async function tellPeople(teller: Teller): Promise<void> {
  const { admin, secrets } = teller;
  const user = secrets.login('ada');
  const email = 'ada@portolan.example';
  const json = { username: user.name, password: user.password, email, realname: 'Ada' };
  const made = await teller.tell('POST /api/v2.0/users', { as: admin, json });
  assert.equal(made.status, 201, made.body);
  const me = await teller.tell('GET /api/v2.0/users/current', { as: user });
  const { user_id: id } = z.object({ user_id: z.number() }).parse(JSON.parse(me.body));
  const next = secrets.login('ada');
  const change = { old_password: user.password, new_password: next.password };
  const path = `PUT /api/v2.0/users/${id}/password`;
  assert.equal((await teller.tell(path, { as: user, json: change })).status, 200);
  assert.equal((await teller.tell('GET /v2/', { as: user })).status, 401);
  assert.equal((await teller.tell('GET /v2/', { as: next })).status, 200);
  await teller.tell(path, { as: next, json: { ...change, new_password: change.old_password } });
  const weak = secrets.add('a weak password', randomBytes(12).toString('hex'));
  await teller.tell(path, { as: admin, json: { new_password: weak } });
  await teller.tell('GET /api/v2.0/users', { as: admin });
}

async function tellRobots(teller: Teller): Promise<void> {
  const { admin, secrets } = teller;
  const access = [{ resource: 'repository', action: 'pull' }];
  const permissions = [{ kind: 'project', namespace: 'local', access }];
  const json = { name: 'ci', level: 'system', duration: -1, permissions };
  const created = await teller.receive('POST /api/v2.0/robots', { as: admin, json });
  const { name, secret } = Created.parse(JSON.parse(created.body));
  const robot = { name, password: secrets.add('secret of a robot', secret) };
  assert.equal((await teller.tell('GET /v2/', { as: robot })).status, 200);
  await teller.tell('GET /api/v2.0/robots', { as: admin });
}

async function tellEndpoints(teller: Teller, upstream: Upstream, login: Login): Promise<void> {
  const { admin, secrets } = teller;
  const credential = { access_key: login.name, access_secret: login.password, type: 'basic' };
  const registry = { name: 'made', type: 'docker-registry', url: upstream.url.origin, credential };
  const made = await teller.tell('POST /api/v2.0/registries', { as: admin, json: registry });
  assert.equal(made.status, 201, made.body);
  const wrong = { ...credential, access_secret: secrets.login('nobody').password };
  const refused = { ...registry, name: 'refused', credential: wrong };
  assert.equal(
    (await teller.tell('POST /api/v2.0/registries', { as: admin, json: refused })).status,
    400,
  );
  await teller.tell('POST /api/v2.0/registries/ping', { as: admin, json: registry });
  await teller.tell('GET /api/v2.0/registries', { as: admin });
  const pulled = await teller.tell('GET /v2/lab/app/manifests/v1', { as: admin });
  assert.equal(pulled.status, 200, pulled.body);
  const id = Number(/\d+$/.exec(made.headers.location ?? '')?.[0]);
  const other = { project_name: 'other', metadata: { public: 'false' }, registry_id: id };
  const project = await teller.tell('POST /api/v2.0/projects', { as: admin, json: other });
  assert.equal(project.status, 201, project.body);
  const through = await teller.tell('GET /v2/other/app/manifests/v1', { as: admin });
  assert.equal(through.status, 200, through.body);
}

async function tellTokens(teller: Teller): Promise<void> {
  const { admin, secrets } = teller;
  const asked = `GET /service/token?${SCOPE}&offline_token=true`;
  const given = Tokens.parse(JSON.parse((await teller.receive(asked, { as: admin })).body));
  const token = secrets.add('token', given.token);
  secrets.add('signature of a token', token.split('.')[2] ?? '');
  const refresh = secrets.add('refresh token', given.refresh_token ?? '');
  const headers = { Authorization: `Bearer ${token}` };
  assert.equal((await teller.tell('GET /v2/local/app/tags/list', { headers })).status, 404);
  const upload = await teller.tell('POST /v2/local/app/blobs/uploads/', { headers });
  assert.equal(upload.status, 202);
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const grant = `grant_type=refresh_token&refresh_token=${refresh}&${SCOPE}`;
  const again = await teller.receive('POST /service/token', { headers: form, body: grant });
  secrets.add('second token', Tokens.parse(JSON.parse(again.body)).token);
  const wrong = grant.replace(refresh, `x${refresh}`);
  assert.equal(
    (await teller.tell('POST /service/token', { headers: form, body: wrong })).status,
    401,
  );
  const password = `grant_type=password&username=admin&password=${admin.password}&${SCOPE}&client_id=x`;
  assert.equal(
    (await teller.receive('POST /service/token', { headers: form, body: password })).status,
    200,
  );
}

async function tellBrowsers(teller: Teller): Promise<void> {
  const { admin, secrets } = teller;
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams({ principal: admin.name, password: admin.password }).toString();
  const entered = await teller.tell('POST /c/login', { headers: form, body });
  assert.equal(entered.status, 200, entered.body);
  const [, sid = ''] = /^sid=([^;]+)/.exec(entered.headers['set-cookie']?.[0] ?? '') ?? [];
  const Cookie = `sid=${secrets.add('session', sid)}`;
  const me = await teller.tell('GET /api/v2.0/users/current', { headers: { Cookie } });
  assert.equal(me.status, 200, me.body);
  secrets.add('token against forged requests', String(me.headers['x-harbor-csrf-token']));
  const wrong = new URLSearchParams({
    principal: 'admin',
    password: secrets.login('admin').password,
  });
  await teller.tell('POST /c/login', { headers: form, body: wrong.toString() });
  await teller.tell('GET /c/log_out', { headers: { Cookie } });
}

/** Secrets where none belongs, as people put them there. */
async function tellNonsense(teller: Teller): Promise<void> {
  const { secrets } = teller;
  const typo = secrets.login('admin');
  await teller.tell('GET /v2/', { as: typo });
  await teller.tell('GET /service/token?account=admin', { as: typo });
  const bearer = secrets.add('foreign token', randomBytes(24).toString('hex'));
  await teller.tell('GET /v2/', { headers: { Authorization: `Bearer ${bearer}` } });
  const raw = secrets.add('login that is no base64', `admin:${randomBytes(24).toString('hex')}`);
  await teller.tell('GET /v2/', { headers: { Authorization: `Basic ${raw}` } });
  const query = secrets.add('query', randomBytes(24).toString('hex'));
  await teller.tell(`GET /v2/local/app/tags/list?access_token=${query}`);
  const cookie = secrets.add('cookie', randomBytes(24).toString('hex'));
  await teller.tell('GET /api/v2.0/users/current', { headers: { Cookie: `sid=${cookie}` } });
  const body = secrets.add(
    'password in a body that is none',
    `Aa1-${randomBytes(12).toString('hex')}`,
  );
  const json = { username: ['x'], password: body };
  await teller.tell('POST /api/v2.0/users', { as: teller.admin, json });
}

async function contentsOf(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  assert.ok(files.some(({ name }) => name.endsWith('.db')));
  return Buffer.concat(
    await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))),
  );
}
