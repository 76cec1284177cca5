/** What a benchmark reports: one figure beside its baseline, as a row of a table and as a JSON line. */

export interface Figure {
  benchmark: string;
  /** What was varied, for people: "4 sessions". */
  case: string;
  value: number;
  baseline: number;
  unit: string;
  /** What the baseline is. */
  against: string;
  /** `value / baseline` at least this, or `value` at most this many units. */
  target: { ratioAtLeast: number } | { atMost: number };
}

export function isMet({ value, baseline, target }: Figure): boolean {
  return 'atMost' in target ? value <= target.atMost : value / baseline >= target.ratioAtLeast;
}

/** One line of JSON: the figure with its ratio and whether the target is met. */
export function toJson(figure: Figure): string {
  return JSON.stringify({ ...figure, value: round(figure.value), baseline: round(figure.baseline), ratio: round(figure.value / figure.baseline), met: isMet(figure) });
}

/** All figures as one table with a header, columns aligned. */
export function toTable(figures: Figure[]): string {
  const rows = figures.map((figure) => [
    figure.benchmark, figure.case, `${show(figure.value)} ${figure.unit}`, `${show(figure.baseline)} ${figure.unit}`, figure.against,
    (figure.value / figure.baseline).toFixed(2),
    'atMost' in figure.target ? `at most ${figure.target.atMost} ${figure.unit}` : `ratio at least ${figure.target.ratioAtLeast}`,
    isMet(figure) ? 'met' : 'MISSED',
  ]);
  const all = [['benchmark', 'case', 'pg_durable', 'baseline', 'which is', 'ratio', 'target', ''], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all.map((row) => row.map((cell, column) => (column === 2 || column === 3 || column === 5 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()).join('\n');
}

export function median(values: number[]): number {
  return percentile(values, 0.5);
}

/** The value at the fraction `at` of the sorted values, interpolated between neighbours. */
export function percentile(values: number[], at: number): number {
  if (values.length === 0) throw new Error('no values to take a percentile of');
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * at;
  const low = sorted[Math.floor(place)] as number;
  const high = sorted[Math.ceil(place)] as number;
  return low + (high - low) * (place - Math.floor(place));
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}

function show(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}
