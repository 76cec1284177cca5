import fc from 'fast-check';
import type { Graph } from '../../src/graph/types.ts';

/** Text as a user writes it: quotes, backslashes, JSON in a string, letters beyond ASCII. */
export const texts = fc.string({
  unit: fc.oneof(fc.constantFrom('"', '\\', '{', '}', ',', '\n', "'", '$a', '"result_name":"x"', ',"result_name":"x"}', '💡', 'é'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 })),
  minLength: 1,
}).filter((text) => text.trim() !== '' && !text.includes('\u0000') && !/[\u{d800}-\u{dfff}]/u.test(text));

export const names = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);

const named = (graph: fc.Arbitrary<Graph>): fc.Arbitrary<Graph> =>
  fc.tuple(graph, fc.option(names, { nil: undefined })).map(([g, name]) => (name === undefined ? g : { ...g, result_name: name }));

const leaves: fc.Arbitrary<Graph> = fc.oneof(
  texts.map((query): Graph => ({ node_type: 'SQL', query })),
  fc.bigInt({ min: 0n, max: 9223372036854775807n }).map((n): Graph => ({ node_type: 'SLEEP', query: String(n) })),
  fc.constantFrom<Graph>(
    { node_type: 'SLEEP', query: '0.25' },
    { node_type: 'WAIT_SCHEDULE', query: '{"cron_expr":"*/5 * * * *"}' },
    { node_type: 'HTTP', query: '{"url":"https://a.example/","method":"GET","body":null,"headers":{"a":"b"},"timeout_seconds":30}' },
    { node_type: 'HTTP_MULTIPART', query: '{"url":"https://a.example/","method":"PUT","parts":[{"name":"f","data_b64":"aGk="}],"headers":null,"timeout_seconds":1}' },
  ),
  fc.option(texts).map((value): Graph => ({ node_type: 'BREAK', query: `{"break_value":${JSON.stringify(value)}}` })),
  fc.tuple(texts, fc.option(fc.integer({ min: 1 }))).map(([signal, n]): Graph => ({ node_type: 'SIGNAL', query: `{"signal_name":${JSON.stringify(signal)},"timeout_seconds":${n}}` })),
);

/** Valid graphs of every node type. */
export const graphs: fc.Arbitrary<Graph> = fc.letrec<{ graph: Graph }>((tie) => {
  const g = tie('graph');
  const pair = (node_type: 'THEN' | 'RACE' | 'JOIN') => fc.tuple(g, g).map(([left_node, right_node]): Graph => ({ node_type, left_node, right_node }));
  return {
    graph: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      named(leaves),
      named(fc.oneof(
        pair('THEN'), pair('RACE'), pair('JOIN'),
        fc.tuple(g, g, fc.array(g, { minLength: 1, maxLength: 3 })).map(([left_node, right_node, extra_nodes]): Graph => ({ node_type: 'JOIN', left_node, right_node, extra_nodes })),
        fc.tuple(g, g, g).map(([left_node, right_node, condition_node]): Graph => ({ node_type: 'IF', left_node, right_node, condition_node })),
        fc.tuple(g, g, g).map(([left_node, right_node, condition_node]): Graph => ({ node_type: 'IF', left_node, right_node, condition_node, query: '{"note":[1.50,"}"]}' })),
        fc.tuple(g, g, names).map(([left_node, right_node, name]): Graph => ({ node_type: 'IF', left_node, right_node, query: `{"condition_type":"result_has_rows","result_name":"${name}"}` })),
        g.map((left_node): Graph => ({ node_type: 'LOOP', left_node })),
        fc.tuple(g, g).map(([left_node, condition_node]): Graph => ({ node_type: 'LOOP', left_node, condition_node })),
      )),
    ),
  };
}).graph;

/** A graph's JSON with keys in the order that `rank` gives and white space wherever JSON allows it. */
export function loosePrint(value: unknown, rank: (key: string) => number, space: string): string {
  if (Array.isArray(value)) return `[${space}${value.map((v) => loosePrint(v, rank, space)).join(`${space},${space}`)}${space}]`;
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value).sort((a, b) => rank(a) - rank(b));
    return `{${space}${keys.map((k) => `${JSON.stringify(k)}${space}:${space}${loosePrint((value as Record<string, unknown>)[k], rank, space)}`).join(`${space},${space}`)}${space}}`;
  }
  return JSON.stringify(value);
}
