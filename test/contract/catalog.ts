/**
 * What callers may rely on in the catalog, as text: the same form in which `installed.ts` reads an installation.
 * What is ours beyond that is listed as such, so that nothing is there that nobody decided on.
 */

export interface FunctionSpec {
  /** Name, argument names, types and defaults. */
  readonly call: string;
  readonly result: string;
  /** Volatility, whether strict, and who may execute it: everybody (PUBLIC) or nobody until granted (private). */
  readonly attributes: string;
}

/** Functions of one area, and the file of test/ that calls them. */
export interface Area {
  readonly file: string;
  readonly functions: readonly FunctionSpec[];
}

const fn = (call: string, result: string, attributes: string): FunctionSpec => ({ call, result, attributes });
const STRICT = 'volatile strict PUBLIC';
const LOOSE = 'volatile PUBLIC';
const PRIVATE = 'volatile private';
const OPERATOR = 'immutable PUBLIC';
const LISTED = 'instance_id text, label text, function_name text, status text, execution_count bigint, output text';
const NODE = 'node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text';
const TIME = 'timestamp with time zone';

export const AREAS: readonly Area[] = [
  { file: 'test/pgtap/composers_and_operators.sql', functions: [
    fn('df.sql(query text)', 'text', STRICT),
    fn('df.seq(a text, b text)', 'text', STRICT),
    fn('df."as"(fut text, name text)', 'text', STRICT),
    fn('df.sleep(seconds bigint)', 'text', STRICT),
    fn('df.sleep(duration interval)', 'text', STRICT),
    fn('df.wait_for_schedule(cron_expr text)', 'text', STRICT),
    fn('df.loop(body text, condition text DEFAULT NULL)', 'text', LOOSE),
    fn('df.break(value text DEFAULT NULL)', 'text', LOOSE),
    fn('df.if(condition text, then_branch text, else_branch text)', 'text', STRICT),
    fn('df.if_rows(result_name text, then_branch text, else_branch text)', 'text', STRICT),
    fn('df."join"(a text, b text)', 'text', STRICT),
    fn('df.join3(a text, b text, c text)', 'text', STRICT),
    fn('df.race(a text, b text)', 'text', STRICT),
    fn("df.http(url text, method text DEFAULT 'POST', body text DEFAULT NULL, headers jsonb DEFAULT NULL, timeout_seconds integer DEFAULT 30)", 'text', PRIVATE),
    fn("df.http_multipart(url text, method text DEFAULT 'POST', parts jsonb DEFAULT NULL, headers jsonb DEFAULT NULL, timeout_seconds integer DEFAULT 30)", 'text', PRIVATE),
    fn('df.wait_for_signal(name text, timeout_seconds integer DEFAULT NULL)', 'text', LOOSE),
  ] },
  { file: 'test/pgtap/start.sql', functions: [
    fn("df.start(fut text, label text DEFAULT NULL, database text DEFAULT NULL, transaction_mode text DEFAULT 'caller')", 'text', LOOSE),
  ] },
  { file: 'test/pgtap/waiting.sql', functions: [
    fn("df.signal(instance_id text, signal_name text, signal_data text DEFAULT '{}')", 'text', STRICT),
  ] },
  { file: 'test/pgtap/control.sql', functions: [
    fn("df.cancel(instance_id text, reason text DEFAULT 'Cancelled by user')", 'text', STRICT),
    fn('df.status(instance_id text)', 'text', STRICT),
    fn('df.result(instance_id text)', 'text', STRICT),
    fn('df.run(instance_id text DEFAULT NULL)', 'text', LOOSE),
    fn('df.await_instance(instance_id text, timeout_seconds integer DEFAULT 30)', 'text', STRICT),
    fn('df.wait_for_completion(instance_id text, timeout_seconds integer DEFAULT 30)', 'text', STRICT),
  ] },
  { file: 'test/pgtap/update_node_status.sql', functions: [
    fn('df.update_node_status(instance_id text, node_id text, status text, result jsonb, execution_id text)', 'text', PRIVATE),
  ] },
  { file: 'test/pgtap/names_and_variables.sql', functions: [
    fn('df.setvar(name text, value text)', 'text', STRICT),
    fn('df.unsetvar(name text)', 'text', STRICT),
    fn('df.clearvars()', 'text', STRICT),
    fn('df.getvar(name text)', 'text', STRICT),
  ] },
  { file: 'test/pgtap/listing.sql', functions: [
    fn('df.list_instances(status_filter text DEFAULT NULL, limit_count integer DEFAULT 100)', `(${LISTED})`, LOOSE),
    fn('df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL)',
      `(${LISTED}, created_at ${TIME}, completed_at ${TIME}, next_cursor text)`, LOOSE),
    fn('df.instance_info(instance_id text)', '(instance_id text, label text, function_name text, function_version text, current_execution_id bigint, status text, output text)', STRICT),
    fn('df.instance_executions(instance_id text, limit_count integer DEFAULT 5)', '(execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)', STRICT),
    fn('df.instance_nodes(instance_id_param text)', `(${NODE}, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at ${TIME})`, STRICT),
    fn('df.instance_nodes(instance_id_param text, _last_n_executions integer)', `(execution_id bigint, ${NODE}, updated_at ${TIME})`, STRICT),
    fn('df.metrics()', '(total_instances bigint, running_instances bigint, completed_instances bigint, failed_instances bigint, total_executions bigint, total_events bigint)', 'volatile strict private'),
  ] },
  { file: 'test/pgtap/explain.sql', functions: [
    fn('df.explain(input text)', 'text', STRICT),
  ] },
  { file: 'test/pgtap/01_packaging.sql', functions: [
    fn('df.version()', 'text', STRICT),
    fn('df.target_database()', 'text', 'stable PUBLIC'),
    fn('df.engine_schema()', 'text', OPERATOR),
    fn('df.duroxide_schema()', 'text', OPERATOR),
  ] },
  { file: 'test/pgtap/composers_and_operators.sql', functions: [
    fn('df.as_op(fut text, name text)', 'text', OPERATOR),
    fn('df.if_then_op(condition text, then_branch text)', 'text', OPERATOR),
    fn('df.if_else_op(partial_if text, else_branch text)', 'text', OPERATOR),
    fn('df.loop_prefix_op(body text)', 'text', OPERATOR),
  ] },
  { file: 'test/pgtap/04_grants.sql', functions: [
    fn('df.grant_usage(p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false)', 'void', PRIVATE),
    fn('df.revoke_usage(p_role text)', 'void', PRIVATE),
  ] },
];

export const FUNCTIONS: readonly FunctionSpec[] = AREAS.flatMap(({ functions }) => functions);

/** Ours beyond the contract. */
export const OWN_FUNCTIONS: readonly FunctionSpec[] = [
  fn('df.sleep(duration text)', 'text', STRICT),
  fn(`df.work(max_seconds double precision DEFAULT 10, max_steps integer DEFAULT 10000, steps bigint DEFAULT 0, next_due ${TIME} DEFAULT NULL, more boolean DEFAULT false, dedicated boolean DEFAULT false)`,
    `(steps bigint, next_due ${TIME}, more boolean)`, LOOSE),
  fn('df.drive(max_seconds double precision DEFAULT 55)', '', LOOSE),
];

export const OPERATORS: readonly { readonly operator: string; readonly calls: string }[] = [
  { operator: '~>(text,text)', calls: 'df.seq' },
  { operator: '|=>(text,text)', calls: 'df.as_op' },
  { operator: '&(text,text)', calls: 'df."join"' },
  { operator: '|(text,text)', calls: 'df.race' },
  { operator: '?>(text,text)', calls: 'df.if_then_op' },
  { operator: '!>(text,text)', calls: 'df.if_else_op' },
  { operator: '@>(NONE,text)', calls: 'df.loop_prefix_op' },
];

const ID = 'character varying(8)';
const NOW = `${TIME} DEFAULT now()`;

/** Columns in order. */
export const TABLES: Readonly<Record<string, readonly string[]>> = {
  'df.instances': [
    `id ${ID} NOT NULL`, 'label text', `root_node ${ID} NOT NULL`, "status text DEFAULT 'pending'", 'submitted_by regrole NOT NULL',
    'database text', `created_at ${NOW}`, `updated_at ${NOW}`, `completed_at ${TIME}`,
  ],
  'df.nodes': [
    `id ${ID} NOT NULL`, `instance_id ${ID} NOT NULL`, 'node_type text NOT NULL', 'query text', 'result_name text', `left_node ${ID}`, `right_node ${ID}`,
    "status text DEFAULT 'pending'", 'result jsonb', 'error text', 'submitted_by regrole', 'database text', `created_at ${NOW}`, `updated_at ${NOW}`,
    'status_details jsonb',
  ],
  'df.vars': ['name text NOT NULL', 'value text', 'owner regrole NOT NULL DEFAULT (quote_ident((CURRENT_USER)))'],
  'df._worker_epoch': ['epoch_id uuid NOT NULL', `started_at ${NOW}`, `last_seen_at ${NOW}`],
  '_df._worker_ready': ['sentinel boolean NOT NULL DEFAULT true', 'schema_version integer NOT NULL', `initialized_at ${NOW}`],
};

const HEX = "~ '^[0-9a-f]{8}$'";
const anyOf = (column: string, values: string): string => `(${column} = ANY (ARRAY[${values.split(' ').map((value) => `'${value}'`).join(', ')}]))`;
const key = (columns: string, table: string, keys: string): string => `FOREIGN KEY (${columns}) REFERENCES ${table}(${keys}) DEFERRABLE INITIALLY DEFERRED NOT VALID`;
const check = (rule: string): string => `CHECK (${rule}) NOT VALID`;

/** By table and name: the definition, which says NOT VALID of those that are not validated. */
export const CONSTRAINTS: Readonly<Record<string, string>> = {
  'df.instances instances_pkey': 'PRIMARY KEY (id)',
  'df.instances instances_id_format_chk': check(`((id) ${HEX})`),
  'df.instances instances_root_node_format_chk': check(`((root_node) ${HEX})`),
  'df.instances instances_status_chk': check(anyOf('status', 'pending running completed failed cancelled')),
  'df.instances instances_identity_key': 'UNIQUE (id, submitted_by)',
  'df.instances instances_root_node_same_instance_fkey': key('id, root_node', 'df.nodes', 'instance_id, id'),
  'df.nodes nodes_pkey': 'PRIMARY KEY (instance_id, id)',
  'df.nodes nodes_instance_id_present_chk': check('(instance_id IS NOT NULL)'),
  'df.nodes nodes_submitted_by_present_chk': check('(submitted_by IS NOT NULL)'),
  'df.nodes nodes_id_format_chk': check(`((id) ${HEX})`),
  'df.nodes nodes_instance_id_format_chk': check(`((instance_id) ${HEX})`),
  'df.nodes nodes_left_node_format_chk': check(`((left_node) ${HEX})`),
  'df.nodes nodes_right_node_format_chk': check(`((right_node) ${HEX})`),
  'df.nodes nodes_node_type_chk': check(anyOf('node_type', 'SQL THEN IF JOIN LOOP BREAK RACE SLEEP WAIT_SCHEDULE HTTP HTTP_MULTIPART SIGNAL')),
  'df.nodes nodes_result_name_chk': check("((result_name IS NULL) OR (result_name ~ '^[A-Za-z_][A-Za-z0-9_]*$'))"),
  'df.nodes nodes_status_chk': check(anyOf('status', 'pending running completed failed')),
  'df.nodes nodes_result_status_chk': check(`((result IS NULL) OR ${anyOf('status', 'completed failed')})`),
  'df.nodes nodes_structure_chk': check([
    ` CASE WHEN ${anyOf('node_type', 'SQL BREAK SLEEP WAIT_SCHEDULE HTTP HTTP_MULTIPART SIGNAL')} THEN ((left_node IS NULL) AND (right_node IS NULL) AND (query IS NOT NULL))`,
    `WHEN ${anyOf('node_type', 'THEN RACE')} THEN ((left_node IS NOT NULL) AND (right_node IS NOT NULL) AND (query IS NULL))`,
    "WHEN (node_type = 'IF') THEN ((left_node IS NOT NULL) AND (right_node IS NOT NULL) AND (query IS NOT NULL))",
    "WHEN (node_type = 'LOOP') THEN ((left_node IS NOT NULL) AND (right_node IS NULL))",
    "WHEN (node_type = 'JOIN') THEN ((left_node IS NOT NULL) AND (right_node IS NOT NULL)) ELSE true END",
  ].join(' ')),
  'df.nodes nodes_instance_identity_fkey': key('instance_id, submitted_by', 'df.instances', 'id, submitted_by'),
  'df.nodes nodes_left_node_same_instance_fkey': key('instance_id, left_node', 'df.nodes', 'instance_id, id'),
  'df.nodes nodes_right_node_same_instance_fkey': key('instance_id, right_node', 'df.nodes', 'instance_id, id'),
  'df.vars vars_pkey': 'PRIMARY KEY (owner, name)',
  'df._worker_epoch _worker_epoch_pkey': 'PRIMARY KEY (epoch_id)',
};

/** Those that no constraint implies. */
export const INDEXES: readonly string[] = [
  'idx_instances_status ON df.instances USING btree (status, created_at DESC, id)',
  'idx_instances_created_at ON df.instances USING btree (created_at DESC, id)',
  'idx_instances_label ON df.instances USING btree (label, created_at DESC, id) WHERE (label IS NOT NULL)',
  'idx_nodes_instance ON df.nodes USING btree (instance_id)',
];

const mine = (column: string): string => `((${column}) = ((quote_ident((CURRENT_USER)))))`;
const policy = (table: string, name: string, column: string): string => `${name} ON df.${table} PERMISSIVE FOR ALL TO {public} USING ${mine(column)} WITH CHECK ${mine(column)}`;

export const POLICIES: readonly string[] = [
  policy('instances', 'instances_user_isolation', 'submitted_by'),
  policy('nodes', 'nodes_user_isolation', 'submitted_by'),
  policy('vars', 'vars_user_isolation', 'owner'),
];

const columns = (privilege: string, table: string, names: string): string[] => names.split(' ').map((name) => `${privilege} (${name}) ON df.${table}`);

/** What df.grant_usage(role) gives. PUBLIC has nothing of this. */
export const GRANTS: readonly string[] = [
  'USAGE ON SCHEMA df', 'SELECT ON df.instances', 'SELECT ON df.nodes',
  ...columns('INSERT', 'instances', 'id label root_node submitted_by database'),
  ...columns('UPDATE', 'instances', 'status updated_at'),
  ...columns('INSERT', 'nodes', 'id instance_id node_type query result_name left_node right_node submitted_by database'),
  'SELECT ON df.vars', 'INSERT ON df.vars', 'UPDATE ON df.vars', 'DELETE ON df.vars',
];
/** What `include_http` adds. */
export const HTTP_GRANTS: readonly string[] = [
  'EXECUTE ON df.http(text,text,text,jsonb,integer)', 'EXECUTE ON df.http_multipart(text,text,jsonb,jsonb,integer)',
];
/** What `with_grant` adds; everything is then WITH GRANT OPTION. */
export const GRANTOR_GRANTS: readonly string[] = [
  'EXECUTE ON df.grant_usage(text,boolean,boolean)', 'EXECUTE ON df.revoke_usage(text)', 'EXECUTE ON df.metrics()',
];
