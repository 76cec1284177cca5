/** What callers may rely on in words: the fragments of messages and fixed texts that they match on, and the settings. */

export interface Word {
  /** The fragment; `<n>` and the like stand for what varies. */
  readonly text: string;
  readonly from: string;
  /** The file whose tests match on it. */
  readonly file: string;
}

const words = (from: string, file: string, ...texts: string[]): Word[] => texts.map((text) => ({ text, from, file: `test/${file}` }));

export const WORDS: readonly Word[] = [
  ...words('composers', 'pgtap/composers_and_operators.sql', 'not a valid identifier', 'result name cannot be empty', 'Sleep duration must be non-negative', "Invalid cron expression '<expression>'",
    'Signal name cannot be empty', 'Timeout must be positive', 'left side of !> must be a ?> expression'),
  ...words('composers', 'pgtap/auto_wrap_and_validation.sql', 'Invalid Durofut JSON'),
  ...words('composers', 'pgtap/names_and_variables.sql', 'cannot be used as a workflow step'),
  ...words('df.http, df.http_multipart', 'pgtap/composers_and_operators.sql', 'df.http() is disabled', 'unsupported URL scheme', 'Invalid HTTP method', 'parts is required', 'parts must be a JSON array', 'at least one part'),
  ...words('graphs', 'pgtap/auto_wrap_and_validation.sql', 'Invalid durable function graph: ', "Unknown node_type '<type>'", 'maximum nesting depth of 256', 'maximum node count of 10000', 'condition_node is not valid for', 'extra_nodes is not valid for',
    'condition_node in IF must be a first-class Durofut field', 'condition_node in LOOP must be a first-class Durofut field', 'extra_nodes in JOIN must be a first-class Durofut field', 'query in IF must be valid JSON config',
    'condition_node must be a Durofut JSON object', 'extra_nodes entries must be Durofut JSON objects', 'Durofut children must be JSON objects'),
  ...words('df.start', 'pgtap/start.sql', 'invalid transaction_mode', 'Invalid durable function:', 'database "<name>" does not exist', 'LOGIN', 'enable_superuser_instances'),
  ...words('df.start', 'integration/launch.test.ts', 'max_new_transaction_starts=<n>', 'Timed out after <n>s waiting for a launch slot'),
  ...words('control', 'pgtap/control.sql', 'not found or access denied', 'Instance <id> cancelled: <reason>', 'cannot be called inside a workflow', 'Instance not found', 'Timeout after <n>s'),
  ...words('df.update_node_status', 'pgtap/update_node_status.sql', 'expected exactly 1'),
  ...words('grants', 'integration/contract.test.ts', 'granted df usage privileges to "<role>"', 'revoked df usage privileges'),
  ...words('SQL steps', 'pgtap/sql_steps_and_values.sql', 'SQL execution failed: ', 'Unsupported column type', 'encode()'),
  ...words('SQL steps', 'integration/worker-limits.test.ts', 'connection limit reached', 'max_user_connections=<n>', 'Timed out after <n>s'),
  ...words('BREAK', 'pgtap/loops_and_break.sql', 'outside of a loop'),
  ...words('JOIN, RACE', 'pgtap/join_and_race.sql', 'JOIN branch <n> failed: ', 'RACE left branch failed: ', 'RACE right branch failed: '),
  ...words('LOOP', 'pgtap/inferred_status.sql', 'lost the race'),
  ...words('HTTP steps', 'integration/http.test.ts', 'outbound HTTP requests are disabled', 'does not have EXECUTE privilege on df.http()', 'not in the allowed endpoint list', 'bare IP addresses are not permitted', 'Only a whole-value reference'),
  ...words('monitoring', 'pgtap/listing.sql', 'list_instances_max_limit (<n>)', 'pg_durable::orchestration::execute-function-graph', 'canceled: <reason>', 'Running', 'Completed', 'Failed', 'ContinuedAsNew'),
  ...words('df.explain', 'pgtap/explain.sql', "Instance '<id>' not found", 'Failed to evaluate expression: '),
];

export interface Setting { readonly name: string; readonly unset: string; readonly range: string; readonly file: string }

const setting = (file: string, name: string, unset: string, range: string): Setting => ({ name: `pg_durable.${name}`, unset, range, file: `test/${file}` });

export const SETTINGS: readonly Setting[] = [
  setting('pgtap/settings.sql', 'enable_superuser_instances', 'off', 'on, off'),
  setting('unit/worker-parts.test.ts', 'max_user_connections', '10', '1-1000'),
  setting('unit/worker-parts.test.ts', 'execution_acquire_timeout', '30 s', '1-3600'),
  setting('pgtap/launch.sql', 'max_new_transaction_starts', '2', '1-1000'),
  setting('pgtap/launch.sql', 'new_transaction_start_timeout', '5 s', '1-3600'),
  setting('pgtap/settings.sql', 'list_instances_max_limit', '1000', '1-1000000'),
  setting('pgtap/settings.sql', 'retention_days', '30', '0-36500'),
  setting('unit/worker-parts.test.ts', 'reconcile_interval', '3600 s', '0-86400, 0 is off'),
  setting('pgtap/loops_and_break.sql', 'loop_min_interval', '1 s', '0-3600'),
  setting('pgtap/settings.sql', 'http', 'off', 'off, allowlist, all'),
];
