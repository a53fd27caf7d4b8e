import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Action, may } from '../../policies/access.ts';

const ADMIN = { isAdmin: true };
const ANYBODY = { isAdmin: false };
const OPEN = { isPublic: true };
const CLOSED = { isPublic: false };

describe('what a caller may do', () => {
  const ROWS: readonly { action: Action; anybodyInPublic: boolean }[] = [
    { action: 'pull', anybodyInPublic: true },
    { action: 'catalog', anybodyInPublic: true },
    { action: 'push', anybodyInPublic: false },
    { action: 'delete', anybodyInPublic: false },
  ];
  for (const { action, anybodyInPublic } of ROWS) {
    it(`to ${action} is everything for the admin, and ${anybodyInPublic ? 'something' : 'nothing'} for others in public projects alone`, () => {
      assert.equal(may(ADMIN, action, OPEN), true);
      assert.equal(may(ADMIN, action, CLOSED), true);
      assert.equal(may(ANYBODY, action, OPEN), anybodyInPublic);
      assert.equal(may(ANYBODY, action, CLOSED), false);
    });
  }
});
