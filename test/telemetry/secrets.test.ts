import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeError, redact } from '../../src/telemetry/redact.ts';

const SECRET = 'hunter2hunter2hunter2';
const TOKEN = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtZSJ9.${SECRET}`;

const TEXTS = [
  { name: 'a Basic header', text: `authorization: Basic ${btoa(`me:${SECRET}`)}` },
  { name: 'a Bearer header', text: `sent Authorization: Bearer ${TOKEN} to host` },
  { name: 'a header in JSON', text: `{"authorization":"Bearer ${SECRET}","accept":"*/*"}` },
  { name: 'a token alone', text: `token ${TOKEN} has expired` },
  { name: 'a token answer', text: `{"token":"${SECRET}","expires_in":300}` },
  { name: 'a refresh token', text: `refresh_token=${SECRET}&grant_type=refresh_token` },
  { name: 'a URL with a user', text: `GET https://me:${SECRET}@registry.example/v2/ failed` },
  {
    name: 'a signed URL',
    text: `GET https://bucket.s3.example/blob?X-Amz-Expires=60&X-Amz-Signature=${SECRET} answered 403`,
  },
  { name: 'a signed URL in quotes', text: `"https://cdn.example/b?sig=${SECRET}"` },
  { name: 'a password', text: `password: ${SECRET}` },
];

describe('what reaches the log', () => {
  for (const { name, text } of TEXTS) {
    it(`has no secret of ${name}`, () => {
      const error = Object.assign(new Error(text, { cause: new Error(text) }), {
        options: { headers: { authorization: `Bearer ${SECRET}` } },
      });

      for (const shown of [redact(text), JSON.stringify(describeError(error))]) {
        assert.ok(!shown.includes(SECRET), shown);
        assert.ok(!shown.includes(btoa(`me:${SECRET}`)), shown);
      }
    });
  }

  it('keeps the rest of the text', () => {
    assert.equal(
      redact('GET https://registry.example/v2/x?ns=docker.io answered 503 in 12 ms'),
      'GET https://registry.example/v2/x?[hidden] answered 503 in 12 ms',
    );
    assert.equal(redact('docker/28.2 go/1.23 (linux)'), 'docker/28.2 go/1.23 (linux)');
    assert.equal(redact('the token has expired'), 'the token has expired');
  });

  it('hides the query of every URL in a text', () => {
    assert.equal(
      redact('(https://a.example/x?sig=1) then <https://b.example/?sig=2#y>, [ftp://c?d] and why?'),
      '(https://a.example/x?[hidden]) then <https://b.example/?[hidden]>, [ftp://c?[hidden]] and why?',
    );
  });

  for (const piece of [
    'a.',
    'a://',
    'a://b@',
    'a://?',
    'token:',
    'bearer ',
    'eyJaaaaaa.',
    'eyJaaaaaa-',
    'x=?',
  ]) {
    it(`is looked through at once where it repeats ${piece}`, () => {
      const started = performance.now();

      redact(piece.repeat(200_000 / piece.length));

      // A multiple of the text's square would be minutes.
      assert.ok(performance.now() - started < 2_000);
    });
  }

  it('is short for a cause that is its own cause', () => {
    const error = new Error('round');
    error.cause = error;

    assert.ok(JSON.stringify(describeError(error)).length < 20_000);
  });

  it('has something to say of what is no error', () => {
    assert.deepEqual(describeError('plain'), { name: 'string', message: 'plain' });
  });
});
