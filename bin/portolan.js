#!/usr/bin/env node
// Plain JavaScript that any Node can read: what follows it is TypeScript, which only newer ones run.
import { setFlagsFromString } from 'node:v8';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 15)) {
  process.stderr.write(
    `portolan: this is Node.js ${process.versions.node}, and Portolan needs 24.15 or newer` +
      ' (npm ci brings one that npm start uses, unless it is told to ignore scripts).\n',
  );
  process.exitCode = 1;
} else {
  // Before anything allocates: the buffers of transfers lie outside of V8's heap, and without this flag they make it
  // collect that heap over and over (measured 2026-11-20: up to a quarter of the processor time of a pull).
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  await import('../src/main.ts');
}
