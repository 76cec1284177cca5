-- What every file of this suite starts with: \ir helpers.sql
-- The suite describes PLV8 3.2. Where our build is meant to be better than stock PLV8, a test goes through ours_is() or
-- ours_fails(), which skip on stock; the two are told apart by the extension's version (ours has a build suffix: 3.2.4+x).
\set QUIET 1
\set ECHO none
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION IF NOT EXISTS plv8;
CREATE EXTENSION IF NOT EXISTS dblink;

-- ours(): true for this project's handler, false for stock PLV8.
CREATE FUNCTION ours() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT extversion LIKE '%+%' FROM pg_extension WHERE extname = 'plv8' $$;

-- js(body, args…): runs a function body; the result as text: strings as they are, else JSON (BigInt as "1n").
CREATE FUNCTION js(body text, VARIADIC args text[] DEFAULT '{}') RETURNS text LANGUAGE plv8 AS $js$
	const result = new Function('args', body)(args);
	if (result === null || result === undefined || typeof result === 'string') return result;
	return JSON.stringify(result, (key, value) => typeof value === 'bigint' ? value + 'n' : value);
$js$;

-- described(value): how a SQL value looks from JavaScript, e.g. "bigint 1", "Date 2026-01-31T00:00:00.000Z".
CREATE FUNCTION described(value anyelement) RETURNS text LANGUAGE plv8 AS $js$
	const text = (v) => JSON.stringify(v, (key, x) => typeof x === 'bigint' ? x + 'n' : x);
	if (value === null || value === undefined) return String(value);
	if (typeof value === 'object') {
		const kind = value.constructor ? value.constructor.name : 'bare object';
		if (value instanceof Date) return kind + ' ' + (isNaN(value) ? 'invalid' : value.toISOString());
		if (ArrayBuffer.isView(value)) return kind + ' ' + Array.from(value).join(',');
		return kind + ' ' + text(value);
	}
	if (Object.is(value, -0)) return 'number -0';
	return typeof value + ' ' + String(value);
$js$;

-- One function as_TYPE(body) per type: what a JavaScript value becomes when it is returned as that type.
DO $do$
DECLARE t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['int2','int4','int8','float4','float8','numeric','bool','text','varchar','bpchar','bytea','date',
		'time','timestamp','timestamptz','interval','json','jsonb','uuid','oid','point','inet','name','xml'] LOOP
		EXECUTE format('CREATE FUNCTION %I(body text) RETURNS %I LANGUAGE plv8 AS $js$ return new Function(body)(); $js$',
			'as_' || t, t);
		IF t <> 'xml' THEN
			EXECUTE format('CREATE FUNCTION %I(body text) RETURNS %I[] LANGUAGE plv8 AS $js$ return new Function(body)(); $js$',
				'as_' || t || 's', t);
		END IF;
	END LOOP;
END
$do$;

-- failure(sql): the parts of the error a statement ends with (as jsonb), or NULL if it does not fail.
CREATE FUNCTION failure(sql text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE code text; message text; detail text; hint text; ctx text; sch text; tab text; col text; typ text; con text;
BEGIN
	EXECUTE sql;
	RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT, ctx = PG_EXCEPTION_CONTEXT, sch = SCHEMA_NAME, tab = TABLE_NAME, col = COLUMN_NAME,
		typ = PG_DATATYPE_NAME, con = CONSTRAINT_NAME;
	RETURN jsonb_build_object('code', code, 'message', message, 'detail', detail, 'hint', hint, 'context', ctx,
		'schema', sch, 'table', tab, 'column', col, 'datatype', typ, 'constraint', con);
END
$$;

-- ours_is(sql, expected, description): is() of the statement's one value as text; skipped on stock PLV8.
CREATE FUNCTION ours_is(sql text, expected text, description text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE got text;
BEGIN
	IF NOT ours() THEN
		RETURN NEXT skip('stock PLV8 differs: ' || description, 1);
		RETURN;
	END IF;
	BEGIN
		EXECUTE sql INTO got;
	EXCEPTION WHEN OTHERS THEN
		RETURN NEXT fail(description) || E'\n' || diag(SQLSTATE || ': ' || SQLERRM);
		RETURN;
	END;
	RETURN NEXT is(got, expected, description);
END
$$;

-- ours_fails(sql, sqlstate or NULL for any, regular expression, description): skipped on stock PLV8.
CREATE FUNCTION ours_fails(sql text, code text, pattern text, description text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE f jsonb;
BEGIN
	IF NOT ours() THEN
		RETURN NEXT skip('stock PLV8 differs: ' || description, 1);
		RETURN;
	END IF;
	f := failure(sql);
	IF f IS NULL THEN
		RETURN NEXT fail(description) || E'\n' || diag('no error was raised');
	ELSIF (code IS NULL OR f ->> 'code' = code) AND f ->> 'message' ~ pattern THEN
		RETURN NEXT pass(description);
	ELSE
		RETURN NEXT fail(description) || E'\n' ||
			diag(format('wanted %s %s, got %s %s', code, pattern, f ->> 'code', f ->> 'message'));
	END IF;
END
$$;

-- fails(sql, sqlstate or NULL for any, regular expression, description): the same, for both handlers.
CREATE FUNCTION fails(sql text, code text, pattern text, description text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE f jsonb := failure(sql);
BEGIN
	IF f IS NOT NULL AND (code IS NULL OR f ->> 'code' = code) AND f ->> 'message' ~ pattern THEN
		RETURN NEXT pass(description);
	ELSE
		RETURN NEXT fail(description) || E'\n' ||
			diag(format('wanted %s %s, got %s %s', code, pattern, f ->> 'code', f ->> 'message'));
	END IF;
END
$$;

-- here(): a libpq connection string for a second session in this database.
CREATE FUNCTION here() RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
		current_setting('port'), current_database(), session_user)
$$;
