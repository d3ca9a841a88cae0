// Pages of a list. A marker names the last item shown, so that deleting items between two pages
// neither repeats nor skips another.

/** A page; `marker` is absent on the last one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly marker?: string;
}

/** What the caller asked for. */
export interface PageRequest {
  /** Most items a page. */
  readonly size: number;
  readonly marker: string | undefined;
  readonly order: 'ascending' | 'descending';
}

/** One page of the items, ordered by their keys, which are unique and stable. */
export function pageOf<Item>(
  items: Iterable<Item>,
  keyOf: (item: Item) => string,
  { size, marker, order }: PageRequest,
): Page<Item> {
  const sign = order === 'ascending' ? 1 : -1;
  const rest = [...items]
    .filter((item) => marker === undefined || compare(keyOf(item), keyIn(marker)) * sign > 0)
    .toSorted((a, b) => compare(keyOf(a), keyOf(b)) * sign);
  const shown = rest.slice(0, size);
  const last = shown.at(-1);
  if (rest.length <= size || last === undefined) return { items: shown };
  return { items: shown, marker: markerFor(keyOf(last)) };
}

// The AWS service model's Marker is base64.
function markerFor(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64');
}

function keyIn(marker: string): string {
  return Buffer.from(marker, 'base64').toString('utf8');
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
