import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { type Progress, progressOn } from '../../src/cli/progress.ts';
import { sizeText, table } from '../../src/cli/table.ts';

const HALF: Progress = { total: 4, done: 2, failed: 1, bytes: 3 * 2 ** 20 };

describe('progress', () => {
  it('is a bar on a terminal, which goes away at the end', () => {
    const screen = Object.assign(new PassThrough({ encoding: 'utf8' }), {
      isTTY: true,
      columns: 100,
    });
    {
      using display = progressOn(screen, () => 0);
      display.show(HALF);
    }

    const written = String(screen.read());
    assert.match(written, /={20}-{20} 2 of 4 tasks, 1 failed, 3\.0 MiB/);
    assert.ok(written.endsWith('\u001B[2K'));
  });

  it('is a line elsewhere, every five seconds at most and only where something changed', () => {
    const screen = new PassThrough({ encoding: 'utf8' });
    let now = 0;
    using display = progressOn(screen, () => now);
    for (now of [0, 4_000, 5_000, 6_000, 12_000, 18_000]) {
      display.show({ ...HALF, done: now < 18_000 ? 2 : 4, failed: 0 });
    }

    assert.equal(String(screen.read()), '2 of 4 tasks, 3.0 MiB\n4 of 4 tasks, 3.0 MiB\n');
  });
});

describe('a table', () => {
  it('is as wide as its cells, and moves no cursor', () => {
    const text = table(
      ['NAME', 'WHY'],
      [
        ['a', 'x\u001B[2J'],
        ['longer', undefined],
      ],
    );

    assert.equal(text, 'NAME    WHY\na       x\u{FFFD}[2J\nlonger\n');
  });

  it('tells sizes so that people can compare them', () => {
    const sizes = [0, 1023, 1024, 1536, 150 * 2 ** 20, 2 ** 40];

    assert.deepEqual(sizes.map(sizeText), [
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '150 MiB',
      '1.0 TiB',
    ]);
  });
});
