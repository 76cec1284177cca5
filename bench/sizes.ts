/**
 * How much a run measures. The defaults are for figures that can be compared; `BENCH_SCALE=0.1` makes a quick run of a
 * tenth of the size, whose figures are noise.
 *
 * | variable        | default | meaning                                                          |
 * |-----------------|---------|------------------------------------------------------------------|
 * | BENCH_SCALE     | 1       | multiplies every number of workflows, instances and samples      |
 * | BENCH_ROUNDS    | 5       | alternations of baseline and pg_durable; the median counts       |
 */
function positive(name: string, otherwise: number): number {
  const text = process.env[name];
  const value = text === undefined || text === '' ? otherwise : Number(text);
  if (!(value > 0)) throw new Error(`${name}=${text}: expected a number above 0`);
  return value;
}

const scale = positive('BENCH_SCALE', 1);

export const rounds = Math.max(1, Math.round(positive('BENCH_ROUNDS', 5)));

/** `full` workflows (or instances, or samples) at scale 1, at least `least`. */
export function sized(full: number, least = 10): number {
  return Math.max(least, Math.round(full * scale));
}
