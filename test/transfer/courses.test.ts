import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bringerOf, type Course, leaderOf, reachOf } from '../../src/transfer/courses.ts';
import { GrowingFile } from '../../src/transfer/growing-file.ts';
import type { Intervals } from '../../src/transfer/intervals.ts';

const SIZE = 1000;
const soonBytes = 100;

function coursesOver(present: Intervals, ...running: readonly Course[]) {
  return { file: new GrowingFile(SIZE, present), running, soonBytes };
}

function courseFrom(start: number, position = start, wantedAt = start): Course {
  return { start, position, wantedAt, limit: SIZE };
}

describe('a byte that is missing', () => {
  const course = courseFrom(0, 200);
  const rows = [
    { name: 'comes by the segment that is just before it', position: 200, comes: true },
    { name: 'comes by one that is near', position: 300, comes: true },
    { name: 'needs its own where the next one is far behind', position: 301, comes: false },
    { name: 'needs its own where a segment is past it', position: 199, comes: false },
  ];
  for (const { name, position, comes } of rows) {
    it(name, () => {
      const courses = coursesOver([[0, 100]], course);

      assert.equal(bringerOf(position, courses), comes ? course : undefined);
    });
  }

  it('needs its own where the segment before it stops short of it', () => {
    const courses = coursesOver(
      [
        [0, 200],
        [220, 250],
      ],
      course,
    );

    assert.equal(bringerOf(210, courses), course);
    assert.equal(bringerOf(260, courses), undefined);
  });

  it('comes by the nearer of two segments, which is where the other one stops', () => {
    const nearer = courseFrom(250);
    const courses = coursesOver([[0, 200]], course, nearer);

    assert.equal(bringerOf(260, courses), nearer);
  });
});

describe('a segment of a fill', () => {
  it('goes on to the end where nothing is in its way', () => {
    const course = courseFrom(100);

    assert.equal(reachOf(course, coursesOver([[0, 100]], course)), SIZE);
  });

  it('stops where bytes are that another one brought', () => {
    const course = courseFrom(100, 300);

    assert.equal(
      reachOf(
        course,
        coursesOver(
          [
            [0, 300],
            [600, 700],
          ],
          course,
        ),
      ),
      600,
    );
  });

  it('is not stopped by what it has written and not counted yet', () => {
    const course = courseFrom(100, 300);

    assert.equal(
      reachOf(
        course,
        coursesOver(
          [
            [0, 350],
            [600, 700],
          ],
          course,
        ),
      ),
      600,
    );
  });

  it('stops where another one began, before that has brought anything', () => {
    const course = courseFrom(0, 100);
    const courses = coursesOver(
      [[0, 100]],
      courseFrom(50, 90),
      courseFrom(800),
      course,
      courseFrom(400),
    );

    assert.equal(reachOf(course, courses), 400);
  });
});

describe('the segment that makes way for a byte that somebody waits for', () => {
  it('is the newest of those that are far ahead of what was asked of them', () => {
    const [first, second, last] = [
      courseFrom(0, 400, 0),
      courseFrom(500, 700, 500),
      courseFrom(800, 900, 800),
    ];

    assert.equal(leaderOf(coursesOver([], first, second, last)), second);
  });

  it('is none where readers are close behind all of them', () => {
    const courses = coursesOver([], courseFrom(0, 400, 350), courseFrom(500, 600, 500));

    assert.equal(leaderOf(courses), undefined);
  });
});
