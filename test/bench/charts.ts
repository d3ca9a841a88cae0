// The charts beside RESULTS.md, by Vega-Lite, as SVG.

import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

export interface Bar {
  readonly name: string;
  /** Nothing finite for what was not finished. */
  readonly value: number;
  readonly isOurs: boolean;
}

/** Horizontal bars, ours in another colour, each with its number. */
export async function barChart(
  title: string,
  panels: readonly {
    readonly title: string;
    readonly digits: number;
    readonly bars: readonly Bar[];
  }[],
): Promise<string> {
  const names = panels[0]?.bars.map(({ name }) => name) ?? [];
  const spec: TopLevelSpec = {
    background: 'white',
    padding: 12,
    title: { text: title, anchor: 'start', fontSize: 15, offset: 12 },
    config: { font: 'sans-serif', view: { stroke: null } },
    spacing: 24,
    hconcat: panels.map(({ title: subject, digits, bars }, at) => ({
      title: { text: subject, anchor: 'start', fontSize: 12, fontWeight: 'normal' },
      width: 210,
      height: { step: 21 },
      data: { values: bars.map((bar) => drawn(bar, digits)) },
      encoding: {
        y: {
          field: 'name',
          type: 'nominal',
          sort: [...names],
          title: null,
          axis: at === 0 ? { labelLimit: 300, ticks: false, domain: false } : null,
        },
        x: {
          field: 'value',
          type: 'quantitative',
          title: null,
          axis: null,
          // Room for the number behind the longest bar.
          scale: {
            domainMin: 0,
            domainMax:
              1.25 * Math.max(1e-9, ...bars.map(({ value }) => value).filter(Number.isFinite)),
          },
        },
      },
      layer: [
        {
          mark: { type: 'bar', height: 14 },
          encoding: {
            color: {
              field: 'isOurs',
              type: 'nominal',
              legend: null,
              scale: { domain: [true, false], range: ['#1668b8', '#b5bcc6'] },
            },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4, fontSize: 11 },
          encoding: { text: { field: 'label', type: 'nominal' } },
        },
      ],
    })),
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  return view.toSVG();
}

function drawn({ name, value, isOurs }: Bar, digits: number): Record<string, unknown> {
  const isKnown = Number.isFinite(value);
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const label = isKnown ? value.toLocaleString('en', options) : 'not finished';
  return { name, value: isKnown ? value : 0, isOurs, label };
}
