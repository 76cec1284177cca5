/** SQL for what is generated: the function that holds the bundle, and one stub per callable TypeScript function. */
import type { Bundle } from './bundle.ts';
import { SourceError } from './signatures.ts';
import type { FunctionSpec, Parameter } from './signatures.ts';

/** `create` for a fresh install, where nothing may be there already; `replace` for an upgrade. */
export type Mode = 'create' | 'replace';

/** Names in our statements mean PostgreSQL's own, whatever schemas the caller has put in front. */
const PINNED = 'SET search_path = pg_catalog, pg_temp';
/** What SECURITY DEFINER code pins besides: nothing that the caller can set may choose which code runs as the installer. */
const DEFINER = `SECURITY DEFINER ${PINNED} SET plv8.start_proc = ''`;

/** The SQL of `_df.bundle()`, which returns the bundle's source and is readable by all, as stubs run as their callers. */
export function bundleSql(bundle: Bundle, mode: Mode): string {
  return [
    `${verb(mode)} FUNCTION _df.bundle() RETURNS text`,
    `LANGUAGE sql IMMUTABLE PARALLEL SAFE ${PINNED}`,
    `AS ${dollarQuote(`SELECT ${dollarQuote(bundle.source, 'js')}::pg_catalog.text`, 'sql')};`,
    `COMMENT ON FUNCTION _df.bundle() IS ${literal('The JavaScript behind every function of pg_durable; each session evaluates it once per role.')};`,
    '',
  ].join('\n');
}

/** The SQL of one stub: the function, its comment, its privileges. JSON reaches JavaScript as text, by way of a function of its own. */
export function stubSql(spec: FunctionSpec, bundle: Bundle, mode: Mode): string {
  const json = spec.parameters.some(({ type }) => JSON_TYPE.test(type));
  if (!json) return functionSql(spec, attributes('plv8', spec), dollarQuote(stubBody(spec, bundle), 'js'), mode);
  if (spec.definer) throw new SourceError(`${spec.place}: a definer function cannot take JSON: what takes its text may be called by all`);
  const inner: FunctionSpec = {
    ...spec, schema: '_df', name: `${spec.name}_text`, public: true,
    parameters: spec.parameters.map(({ name, type }) => ({ name, type: JSON_TYPE.test(type) ? 'text' : type, default: null })),
    comment: `The JavaScript of ${spec.schema}.${identifier(spec.name)}, which takes JSON as text: PLV8 would make JavaScript's numbers of those in it. Runs with the rights of its caller.`,
  };
  const values = spec.parameters.map(({ name, type }) => `${identifier(name)}${JSON_TYPE.test(type) ? '::pg_catalog.text' : ''}`);
  return [
    functionSql(inner, attributes('plv8', inner), dollarQuote(stubBody(inner, bundle), 'js'), mode),
    functionSql(spec, attributes('sql', spec), dollarQuote(`SELECT _df.${identifier(inner.name)}(${values.join(', ')})`, 'sql'), mode),
  ].join('\n');
}

const JSON_TYPE = /^jsonb?$/i;

function attributes(language: string, spec: FunctionSpec): string {
  return [
    `LANGUAGE ${language}`, spec.volatility, ...(spec.strict ? ['STRICT'] : []), ...(spec.definer ? [DEFINER] : spec.pinned ? [PINNED] : []),
  ].join(' ');
}

function functionSql(spec: FunctionSpec, attributes: string, body: string, mode: Mode): string {
  const name = `${spec.schema}.${identifier(spec.name)}`;
  const signature = `${name}(${spec.parameters.map(({ type }) => type).join(', ')})`;
  return [
    `${verb(mode)} FUNCTION ${name}(${spec.parameters.map(parameterSql).join(', ')}) RETURNS ${spec.returns}`,
    attributes,
    `AS ${body};`,
    ...(spec.comment === null ? [] : [`COMMENT ON FUNCTION ${signature} IS ${literal(spec.comment)};`]),
    ...(spec.public ? [] : [`REVOKE EXECUTE ON FUNCTION ${signature} FROM PUBLIC;`]),
    '',
  ].join('\n');
}

/** One property look-up and one call once the bundle is loaded. */
function stubBody(spec: FunctionSpec, bundle: Bundle): string {
  const key = JSON.stringify(bundle.key);
  const call = `(globalThis[${key}] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)(${key}))`
    + `.${spec.exportName}(${spec.parameters.map(({ name }) => name).join(', ')})`;
  return `return ${call};`;
}

function parameterSql({ name, type, default: value }: Parameter): string {
  return `${identifier(name)} ${type}${value === null ? '' : ` DEFAULT ${value}`}`;
}

function verb(mode: Mode): string {
  return mode === 'create' ? 'CREATE' : 'CREATE OR REPLACE';
}

/**
 * A quoted identifier where PostgreSQL needs one. The list of words is not complete on purpose: quoting one too many
 * does no harm, and an unquoted reserved word is a syntax error that the first install reports.
 */
function identifier(name: string): string {
  const needsQuotes = /^(all|and|any|array|as|asc|case|cast|check|column|constraint|create|default|desc|distinct|do|else|end|except|false|fetch|for|foreign|from|full|grant|group|having|if|in|inner|into|is|join|left|like|limit|loop|break|natural|not|null|offset|on|only|or|order|outer|primary|references|returning|right|select|some|table|then|to|true|union|unique|user|using|values|when|where|window|with)$/.test(name)
    || name !== name.toLowerCase();
  return needsQuotes ? `"${name}"` : name;
}

/** A string literal that means the same whatever standard_conforming_strings says. */
function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

/** Dollar-quotes `text` with the tag `tag`, lengthened until the text does not contain it. */
function dollarQuote(text: string, tag: string): string {
  let quote = `$${tag}$`;
  for (let n = 1; text.includes(quote) || text.endsWith(quote.slice(0, -1)); n += 1) quote = `$${tag}${n}$`;
  return `${quote}${text}${quote}`;
}
