import { DurableError } from './errors.ts';
import { HTTP_METHODS, MULTIPART_METHODS, headersProblem, partsProblem } from './http.ts';
import { describe, excerpt, parseObject } from './json.ts';
import { nameProblem } from './name.ts';
import type { Graph } from './types.ts';
import { durationProblem } from './waiting.ts';

type Config = Record<string, unknown>;

/**
 * What is wrong with the `query` of a node, or null if nothing is (surface §2, the table of nodes). The composers write
 * no wrong ones: this is for JSON that was written by hand.
 */
export function queryProblem(graph: Graph, validateCron?: (expr: string) => void): string | null {
  const { node_type: type, query } = graph;
  switch (type) {
    case 'THEN':
    case 'RACE':
      return query === undefined ? null : `query is not valid for ${type}; remove it`;
    case 'IF':
    case 'LOOP':
    case 'JOIN':
      return controlProblem(graph);
    default:
  }
  if (query === undefined) return `query is missing in ${type}; it is ${LEAF_QUERIES[type]}`;
  if (type === 'SQL') return query.trim() === '' ? 'query in SQL is empty; it is one SQL statement' : null;
  if (type === 'SLEEP') return durationProblem(query);
  const config = parseObject(query);
  if (config === null) return `query in ${type} must be a JSON object, not '${excerpt(query, 60)}'; it is ${LEAF_QUERIES[type]}`;
  switch (type) {
    case 'BREAK':
      return breakProblem(config);
    case 'WAIT_SCHEDULE':
      return scheduleProblem(config, validateCron);
    case 'SIGNAL':
      return signalProblem(config);
    default:
      return requestProblem(config, type);
  }
}

const LEAF_QUERIES = {
  SQL: 'one SQL statement',
  SLEEP: 'seconds as decimal text',
  BREAK: '{"break_value": a text or null}',
  WAIT_SCHEDULE: '{"cron_expr": "…"}',
  SIGNAL: '{"signal_name": "…", "timeout_seconds": a number or null}',
  HTTP: '{"url", "method", "body", "headers", "timeout_seconds"}',
  HTTP_MULTIPART: '{"url", "method", "parts", "headers", "timeout_seconds"}',
} as const;

function controlProblem(graph: Graph): string | null {
  const { node_type: type, query } = graph;
  const hasCondition = graph.condition_node !== undefined;
  const needed = 'condition_node is missing in IF; it is the condition, unless query is {"condition_type":"result_has_rows","result_name":"…"}';
  if (query === undefined) return type === 'IF' && !hasCondition ? needed : null;
  const config = parseObject(query);
  if (config === null) {
    return `query in ${type} must be valid JSON config, an object, not '${excerpt(query, 60)}'`;
  }
  // The stored form merges ids under these keys: written by hand they would point at other nodes.
  if ('condition_node' in config) return `condition_node in ${type} must be a first-class Durofut field; move it out of query`;
  if ('extra_nodes' in config) return `extra_nodes in ${type} must be a first-class Durofut field; move it out of query`;
  if (type !== 'IF') return null;
  const kind = config.condition_type;
  if (kind === undefined) return hasCondition ? null : needed;
  if (kind !== 'result_has_rows') return `condition_type in IF must be "result_has_rows", and is ${describe(kind)}`;
  if (hasCondition) return 'IF has both condition_node and a condition_type in query; remove one of them';
  const name = config.result_name;
  if (typeof name !== 'string') return `result_name in the query of IF must be a string, and is ${describe(name)}`;
  return nameProblem(name);
}

function breakProblem(config: Config): string | null {
  const value = config.break_value;
  if (value === null || typeof value === 'string') return null;
  return `break_value in BREAK must be a string or null, and is ${describe(value)}; write JSON values as their text`;
}

function scheduleProblem(config: Config, validateCron?: (expr: string) => void): string | null {
  const expr = config.cron_expr;
  if (typeof expr !== 'string') return `cron_expr in WAIT_SCHEDULE must be a string, and is ${describe(expr)}`;
  if (validateCron === undefined) return null;
  try {
    validateCron(expr);
    return null;
  } catch (error) {
    if (error instanceof DurableError) return error.message;
    throw error;
  }
}

function timeoutProblem(value: unknown): string | null {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return null;
  return `Timeout must be positive whole seconds, and timeout_seconds is ${describe(value)}`;
}

function signalProblem(config: Config): string | null {
  const name = config.signal_name;
  if (typeof name !== 'string') return `signal_name in SIGNAL must be a string, and is ${describe(name)}`;
  if (name === '') return 'Signal name cannot be empty; name the signal that df.signal() will send';
  const timeout = config.timeout_seconds;
  return timeout === undefined || timeout === null ? null : timeoutProblem(timeout);
}

function requestProblem(config: Config, type: 'HTTP' | 'HTTP_MULTIPART'): string | null {
  const { url, method, body } = config;
  if (typeof url !== 'string') return `url in ${type} must be a string, and is ${describe(url)}`;
  const methods = type === 'HTTP' ? HTTP_METHODS : MULTIPART_METHODS;
  if (typeof method !== 'string' || !methods.includes(method.toUpperCase())) {
    return `Invalid HTTP method in ${type}: it must be one of ${methods.join(', ')}, and is ${describe(method)}`;
  }
  if (type === 'HTTP' && body !== undefined && body !== null && typeof body !== 'string') {
    return `body in HTTP must be a string or null, and is ${describe(body)}; write JSON as its text`;
  }
  const problem = (type === 'HTTP_MULTIPART' ? partsProblem(config.parts) : null) ?? headersProblem(config.headers);
  if (problem !== null) return problem;
  const timeout = config.timeout_seconds;
  return timeout === undefined || timeout === null ? null : timeoutProblem(timeout);
}
