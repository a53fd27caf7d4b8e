import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const LAUNCHER = join(import.meta.dirname, '../../bin/portolan.js');

describe('the launcher', { timeout: 600_000 }, () => {
  for (const version of ['20.19.2', '24.14.1']) {
    it(`says plainly that Node.js ${version} is too old`, async () => {
      const { code, stdout, stderr } = await launchAs(version);

      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(
        stderr,
        new RegExp(
          `^portolan: this is Node\\.js ${RegExp.escape(version)}, and Portolan needs 24\\.15 or newer [^\n]*\n$`,
        ),
      );
    });
  }

  for (const version of ['24.15.0', '25.0.0']) {
    it(`goes on with Node.js ${version}`, async () => {
      const { code, stdout } = await launchAs(version);

      assert.equal(code, 0);
      assert.match(stdout, /^portolan \d/);
    });
  }
});

/** This Node, saying that it is another. */
function launchAs(version: string): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const disguise = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`;
  const args = ['--import', `data:text/javascript,${disguise}`, LAUNCHER, '--version'];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}
