import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalHost } from '../../policies/upstream-host.ts';

describe('a registry', () => {
  const rows = [
    ['docker.io', 'docker.io'],
    ['index.docker.io', 'docker.io'],
    ['Registry-1.Docker.io:443', 'docker.io'],
    ['Ghcr.io:443', 'ghcr.io'],
    ['lab.example:5000', 'lab.example:5000'],
    ['[2001:DB8::1]:443', '[2001:db8::1]'],
    ['my.docker.io', 'my.docker.io'],
  ] as const;
  for (const [host, canonical] of rows) {
    it(`that is called ${host} is ${canonical}`, () => {
      assert.equal(canonicalHost(host), canonical);
    });
  }
});
