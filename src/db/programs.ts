/** Programs by graph text: many instances run the same workflow, so a session parses each text once. */
import { flatten } from '../graph/flatten.ts';
import { parseGraph } from '../graph/parse.ts';
import { validateGraph } from '../graph/validate.ts';
import { validateCron } from '../engine/cron.ts';
import type { Program } from '../graph/types.ts';

const programs = new Map<string, Program>();
const MOST_PROGRAMS = 256;
const MOST_LENGTH = 8 << 20;
let length = 0;

/** The validated program of a graph. Raises what `parseGraph` and `validateGraph` raise. */
export function programOf(graph: string): Program {
  const known = programs.get(graph);
  if (known !== undefined) return known;
  const parsed = parseGraph(graph);
  validateGraph(parsed, { validateCron });
  const program = flatten(parsed);
  if (graph.length < MOST_LENGTH / 8) {
    if (programs.size >= MOST_PROGRAMS || length + graph.length > MOST_LENGTH) {
      programs.clear();
      length = 0;
    }
    programs.set(graph, program);
    length += graph.length;
  }
  return program;
}
