import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ProjectDeclaration, refuseConflicts } from '../../src/catalog/declarations.ts';

const ROWS = [
  {
    title: 'a project for an upstream by another of its names',
    projects: [proxy('index.docker.io')],
    message: /^projects docker\.io and index\.docker\.io are both for the upstream docker\.io/,
  },
  {
    title: 'a project for an upstream with the port that it has anyway',
    projects: [proxy('hub', 'docker.io:443')],
    message: /^projects docker\.io and hub are both for the upstream docker\.io/,
  },
  {
    title: 'a hosted project called by another name of a well-known host',
    projects: [hosted('registry-1.docker.io')],
    message: /^project registry-1\.docker\.io is hosted, but while docker\.io is the default/,
  },
  {
    title: 'a hosted project called like an upstream that says its port',
    projects: [hosted('lab.example'), proxy('lab', 'lab.example:443')],
    message: /^project lab\.example is hosted, but while docker\.io is the default/,
  },
];

describe('beside Docker Hub as the default there is not', () => {
  const hub = { ...proxy('docker.io'), isDefault: true };
  for (const { title, projects, message } of ROWS) {
    it(title, () => {
      assert.throws(() => refuseConflicts([hub], projects, ['docker.io']), {
        name: 'DeclarationConflict',
        message,
      });
    });
  }
});

function proxy(name: string, upstreamHost = name): ProjectDeclaration {
  return { ...hosted(name), kind: 'proxy', references: 'sparse', upstreamHost };
}

function hosted(name: string): ProjectDeclaration {
  return {
    name,
    kind: 'hosted',
    isPublic: true,
    references: 'strict',
    isDefault: false,
    endpoints: [],
    settings: {},
  };
}
