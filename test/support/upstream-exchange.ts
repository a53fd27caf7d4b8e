import type { IncomingMessage } from 'node:http';

/** One request, as it came; `sentBytes` of the answer's body grows while it is sent. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  sentBytes: number;
  /** Of its own body, as far as it was taken; of pushes. */
  receivedBytes: number;
  /** Undefined while no answer has begun. */
  status: number | undefined;
  /** Whether the answer is out, or the connection gone. */
  isOver: boolean;
}

/** What is sent unless a behaviour says otherwise. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}
