// Where the demo shows itself: a terminal with live lines, or a stream that is read later.

import { createLogUpdate } from 'log-update';
import { liveLines, plainLine, type Progress } from './progress.ts';
import type { Paint } from './text.ts';

export interface Screen extends Disposable {
  readonly paint: Paint;
  /** Writes a line that stays. */
  readonly say: (line: string) => void;
  /** Shows how far it is, in place of what it showed before if it can. */
  readonly show: (progress: Progress) => void;
  /** Takes away what can be taken away of that. */
  readonly hide: () => void;
  /** How often there should be something new to show, ms. */
  readonly everyMs: number;
}

/** A terminal: lines that change in place, below those that stay. */
export function terminalScreen(stream: NodeJS.WriteStream, paint: Paint): Screen {
  const update = createLogUpdate(stream);
  let live = '';
  function hide(): void {
    live = '';
    update.clear();
  }
  return {
    paint,
    say: (line) => {
      update.persist(line);
      if (live !== '') update(live);
    },
    show: (progress) => {
      live = `\n${liveLines(progress, paint).join('\n')}`;
      update(live);
    },
    hide,
    everyMs: 100,
    [Symbol.dispose]: () => {
      hide();
      update.done();
    },
  };
}

/** A stream: every line stays. */
export function plainScreen(write: (text: string) => void, paint: Paint): Screen {
  return {
    paint,
    say: (line) => write(`${line}\n`),
    show: (progress) => write(`${plainLine(progress)}\n`),
    hide: () => undefined,
    everyMs: 1000,
    [Symbol.dispose]: () => undefined,
  };
}
