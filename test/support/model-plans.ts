/** Random workflows together with what happens to them: what each statement gives, what the scheduler does, which signals come. */
import fc from 'fast-check';
import type { Graph } from '../../src/graph/types.ts';

/** What a statement does when it runs. */
export type Answer =
  | { readonly kind: 'fresh' }                            // a value that no other run of a statement gives
  | { readonly kind: 'value'; readonly value: unknown }   // one row with this value, and a second column that JSON.parse would damage
  | { readonly kind: 'empty' }
  | { readonly kind: 'fails' };

/** What drives the run: some of the due branches together, a signal, or the passing of time. */
export type Action =
  | { readonly kind: 'work'; readonly picks: readonly number[]; readonly shared: boolean }
  | { readonly kind: 'signal'; readonly name: string; readonly data: string }
  | { readonly kind: 'tick'; readonly ms: number };

export interface Plan {
  readonly graph: Graph;
  /** Per SQL node in preorder, its answers: the first run gets the first one, after the last it begins anew. */
  readonly answers: readonly (readonly Answer[])[];
  readonly actions: readonly Action[];
  /** ms. */
  readonly loopInterval: number;
}

/** Cron expressions, and whether a minute matches. */
export const TICKS: Readonly<Record<string, (at: Date) => boolean>> = {
  '* * * * *': () => true,
  '*/5 * * * *': (at) => at.getUTCMinutes() % 5 === 0,
  '30 2 * * *': (at) => at.getUTCHours() === 2 && at.getUTCMinutes() === 30,
};

/** A graph whose SQL nodes carry their answers. */
type Sketch = Omit<Graph, 'left_node' | 'right_node' | 'condition_node' | 'extra_nodes'> & {
  left_node?: Sketch; right_node?: Sketch; condition_node?: Sketch; extra_nodes?: Sketch[]; answers?: readonly Answer[];
};

const NAMES = ['a', 'b'] as const;
const SIGNALS = ['go', 'go', 'go', 'stop'] as const;

const values = fc.constantFrom<unknown>(
  true, false, null, 0, 1, 7.5, '', ' t ', 'No', 'FALSE', '0.0', '1e3', "it's", 'tab\\', [], [0], {}, { n: 1 });
const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 14, arbitrary: fc.constant<Answer>({ kind: 'fresh' }) },
  { weight: 6, arbitrary: values.map((value): Answer => ({ kind: 'value', value })) },
  { weight: 2, arbitrary: fc.constant<Answer>({ kind: 'empty' }) },
  { weight: 1, arbitrary: fc.constant<Answer>({ kind: 'fails' }) });
const truths = (...all: boolean[]): Answer[] => all.map((value) => ({ kind: 'value', value }));

const sql = (answers: fc.Arbitrary<readonly Answer[]>): fc.Arbitrary<Sketch> =>
  fc.tuple(fc.oneof({ weight: 3, arbitrary: fc.constant(['$a?', '$b?']) }, { weight: 1, arbitrary: fc.subarray(['$a?', '{v}', '$other', '{sys_instance_id}', '{sys_label}']) }), answers)
    .map(([references, given]): Sketch => ({ node_type: 'SQL', query: references.join(' '), answers: given }));
const anySql = sql(fc.array(answer, { minLength: 1, maxLength: 3 }));
const condition = sql(fc.constantFrom(truths(true, false), truths(false), truths(true, true, false), truths(true)));

const waits: fc.Arbitrary<Sketch> = fc.oneof(
  fc.constantFrom('0', '0.25', '1', '2', '5').map((query): Sketch => ({ node_type: 'SLEEP', query })),
  fc.constantFrom(...Object.keys(TICKS)).map((tick): Sketch => ({ node_type: 'WAIT_SCHEDULE', query: JSON.stringify({ cron_expr: tick }) })),
  fc.tuple(fc.constantFrom(...SIGNALS), fc.constantFrom(null, 1, 3))
    .map(([signal_name, timeout_seconds]): Sketch => ({ node_type: 'SIGNAL', query: JSON.stringify({ signal_name, timeout_seconds }) })));
const breaks = fc.constantFrom(null, '42', 'done', '', 'null', 'false', '{"a":1}', '$a', '$b?', 'x $a? {v}')
  .map((break_value): Sketch => ({ node_type: 'BREAK', query: JSON.stringify({ break_value }) }));

const named = (sketch: fc.Arbitrary<Sketch>): fc.Arbitrary<Sketch> =>
  fc.tuple(sketch, fc.constantFrom(undefined, ...NAMES)).map(([graph, name]) => (name === undefined ? graph : { ...graph, result_name: name }));

/**
 * What a plan is most about: `steps` that run and pass results on, or branches that wait, become due at the same
 * moment, and want the same signals.
 */
export type Focus = 'steps' | 'waits';

/** Graphs of at most six levels; breaks are frequent inside of loops and rare outside. */
const sketches = (focus: Focus): fc.Arbitrary<Sketch> => fc.letrec<{ outside: Sketch; inside: Sketch }>((tie) => {
  const graphs = (self: 'outside' | 'inside'): fc.Arbitrary<Sketch> => {
    const g = tie(self);
    const inner = tie('inside');
    const pair = (node_type: 'THEN' | 'RACE' | 'JOIN'): fc.Arbitrary<Sketch> =>
      fc.tuple(g, g).map(([left_node, right_node]): Sketch => ({ node_type, left_node, right_node }));
    return named(fc.oneof(
      { maxDepth: 5, depthSize: 'small', withCrossShrink: true },
      { weight: focus === 'steps' ? 5 : 2, arbitrary: anySql },
      { weight: focus === 'steps' ? 2 : 7, arbitrary: waits },
      { weight: self === 'inside' ? 3 : 1, arbitrary: breaks },
      { weight: focus === 'steps' ? 5 : 2, arbitrary: pair('THEN') },
      { weight: focus === 'steps' ? 3 : 6, arbitrary: pair('RACE') },
      { weight: focus === 'steps' ? 2 : 4, arbitrary: pair('JOIN') },
      { weight: 1, arbitrary: fc.tuple(g, g, fc.array(g, { minLength: 1, maxLength: 2 }))
        .map(([left_node, right_node, extra_nodes]): Sketch => ({ node_type: 'JOIN', left_node, right_node, extra_nodes })) },
      { weight: 2, arbitrary: fc.tuple(g, g, g).map(([left_node, right_node, condition_node]): Sketch => ({ node_type: 'IF', left_node, right_node, condition_node })) },
      { weight: 1, arbitrary: fc.tuple(g, g, fc.constantFrom(...NAMES)).map(([left_node, right_node, result_name]): Sketch =>
        ({ node_type: 'IF', left_node, right_node, query: JSON.stringify({ condition_type: 'result_has_rows', result_name }) })) },
      { weight: 1, arbitrary: inner.map((left_node): Sketch => ({ node_type: 'LOOP', left_node })) },
      { weight: 3, arbitrary: fc.tuple(inner, fc.oneof({ weight: 4, arbitrary: condition }, { weight: 1, arbitrary: inner }))
        .map(([left_node, condition_node]): Sketch => ({ node_type: 'LOOP', left_node, condition_node })) },
    ));
  };
  return { outside: graphs('outside'), inside: graphs('inside') };
}).outside;

const actions = (focus: Focus): fc.Arbitrary<Action> => fc.oneof(
  { weight: focus === 'steps' ? 8 : 4, arbitrary: fc.tuple(fc.array(fc.nat(7), { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([picks, shared]): Action => ({ kind: 'work', picks, shared })) },
  { weight: focus === 'steps' ? 1 : 2, arbitrary: fc.tuple(fc.constantFrom(...SIGNALS), fc.constantFrom('1', '{}', '"text"'))
    .map(([name, data]): Action => ({ kind: 'signal', name, data })) },
  { weight: 1, arbitrary: fc.constantFrom(1, 1000, 2000, 3700, 60_000).map((ms): Action => ({ kind: 'tick', ms })) });

export const plans = (focus: Focus): fc.Arbitrary<Plan> => fc.record({
  sketch: sketches(focus),
  actions: fc.array(actions(focus), { maxLength: 40, size: '+1' }),
  loopInterval: fc.constantFrom(1000, 0),
}).map(({ sketch, ...rest }) => {
  const answers: (readonly Answer[])[] = [];
  return { graph: finish(rest.loopInterval === 0 ? withoutSpinning(sketch) : sketch, answers), answers, ...rest };
});

/** Without a pause between rounds, a loop whose body is over at once would never let the clock go on. */
function withoutSpinning(sketch: Sketch): Sketch {
  const { left_node, right_node, condition_node, extra_nodes } = sketch;
  const left = left_node && withoutSpinning(left_node);
  const step: Sketch = { node_type: 'SQL', query: '', answers: [{ kind: 'fresh' }] };
  return {
    ...sketch,
    ...(left && { left_node: sketch.node_type === 'LOOP' ? { node_type: 'THEN', left_node: step, right_node: left } : left }),
    ...(right_node && { right_node: withoutSpinning(right_node) }),
    ...(condition_node && { condition_node: withoutSpinning(condition_node) }),
    ...(extra_nodes && { extra_nodes: extra_nodes.map(withoutSpinning) }),
  };
}

/** The graph of a sketch: each statement begins with its number among the statements, its answers are collected. */
function finish(sketch: Sketch, found: (readonly Answer[])[]): Graph {
  const { left_node, right_node, condition_node, extra_nodes, answers, ...own } = sketch;
  if (answers !== undefined) own.query = `q${found.push(answers) - 1} ${own.query!}`;
  return {
    ...own,
    ...(left_node && { left_node: finish(left_node, found) }),
    ...(right_node && { right_node: finish(right_node, found) }),
    ...(condition_node && { condition_node: finish(condition_node, found) }),
    ...(extra_nodes && { extra_nodes: extra_nodes.map((extra) => finish(extra, found)) }),
  };
}
