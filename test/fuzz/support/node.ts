import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/load.ts';
import { type PortolanNode, startNode } from '../../../src/node.ts';
import { requestFailed } from '../../../src/telemetry/channels.ts';
import { type Answer, type Client, createClient, type Sent } from '../../http/support/client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** The whole node, listening, with the hosted projects `local` (strict) and `sparse`, and no upstream. */
export interface FuzzNode extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Sends as the admin. Rejects when the answer is a fault of ours, or an error in another form than OCI's. */
  send(sent: Sent): Promise<Answer>;
  /** Closes it without mercy and opens it again on the same folder, at another port. */
  restart(): Promise<void>;
  /** Names of the files that are being received. */
  staged(): Promise<readonly string[]>;
}

export const ADMIN = 'admin:pw';

export async function startFuzzNode(): Promise<FuzzNode> {
  await using opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryDirectory());
  const file = join(folder, 'config.yaml');
  await writeFile(file, CONFIG);
  const node = opened.use(await RunningNode.open(file, join(folder, 'data')));
  const resources = opened.move();
  return {
    get host() {
      return node.address.host;
    },
    get port() {
      return node.address.port;
    },
    send: (sent) => node.send(sent),
    restart: () => node.restart(),
    staged: () => readdir(join(folder, 'data', 'staging')),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

const CONFIG = `
listen: { address: 127.0.0.1:0 }
admin: { password: pw }
projects:
  sparse: { public: true, references: sparse }
`;

class RunningNode implements AsyncDisposable {
  readonly #open: () => Promise<PortolanNode>;
  /** By request id: what became a 500. */
  readonly #faults = new Map<string, unknown>();
  readonly #listening: Disposable;
  #node: PortolanNode;
  #client: Client;

  constructor(open: () => Promise<PortolanNode>, node: PortolanNode) {
    this.#open = open;
    this.#node = node;
    this.#client = createClient(this.address);
    this.#listening = requestFailed.subscribe(({ id, error }) => this.#faults.set(id, error));
  }

  static async open(file: string, data: string): Promise<RunningNode> {
    const override = { origin: '--data', path: ['data'], value: data };
    const config = await loadConfig({ file, env: {}, overrides: [override] });
    const open = (): Promise<PortolanNode> => startNode(config, { version: '0.0.0' });
    return new RunningNode(open, await open());
  }

  get address(): { readonly host: string; readonly port: number } {
    const [address] = this.#node.addresses;
    assert.ok(address);
    return address;
  }

  async send(sent: Sent): Promise<Answer> {
    const answer = await this.#client.send({ as: ADMIN, ...sent });
    const about = `${answer.status} to ${sent.method ?? 'GET'} ${sent.path}: ${answer.body.toString()}`;
    if (answer.status >= 500) {
      const cause = this.#faults.get(String(answer.headers['x-request-id']));
      throw new Error(about, { cause });
    }
    if (answer.status >= 400 && sent.method !== 'HEAD') {
      assert.equal(answer.headers['content-type'], 'application/json', about);
      assert.match(String(answer.code), /^[A-Z_]+$/, about);
    }
    return answer;
  }

  async restart(): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.#node[Symbol.asyncDispose]();
    // What failed holds its socket, and that the whole of the former node.
    this.#faults.clear();
    this.#node = await this.#open();
    this.#client = createClient(this.address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    this.#listening[Symbol.dispose]();
    await this.#node[Symbol.asyncDispose]();
  }
}
