/**
 * Reads from the TypeScript sources which functions SQL may call, and how.
 *
 * A function is callable when the entry module exports it and its doc comment has `@plv8ify_schema_name`. The tags:
 *
 * | tag                                           | meaning                                              | without it        |
 * |-----------------------------------------------|------------------------------------------------------|-------------------|
 * | `@plv8ify_schema_name df`                     | the schema; makes the function callable              | not callable      |
 * | `@plv8ify_name as`                            | SQL name, where it is not the TypeScript one         | the same name     |
 * | `@plv8ify_param {text} name DEFAULT NULL`     | type, SQL name and default of a parameter, in order  | from its type     |
 * | `@plv8ify_return {text}`                      | return type, `SETOF` allowed                         | from its type     |
 * | `@plv8ify_table {id text, n bigint}`          | `RETURNS TABLE (…)`                                  | –                 |
 * | `@plv8ify_volatility IMMUTABLE`               | IMMUTABLE, STABLE or VOLATILE                        | VOLATILE          |
 * | `@plv8ify_strict`                             | NULL in, NULL out                                    | called on NULL    |
 * | `@plv8ify_security definer`                   | runs as the installer, settings pinned               | invoker           |
 * | `@plv8ify_search_path caller`                 | the caller's search_path holds inside                | pinned            |
 * | `@plv8ify_execute private`                    | EXECUTE revoked from PUBLIC                          | public            |
 *
 * The first paragraph of the doc comment becomes the function's COMMENT. Overloads of one SQL name are separate
 * TypeScript functions. Types without tags: string → text, number → double precision, bigint → bigint,
 * boolean → boolean, void → void; `| null` and `| undefined` change nothing. A parameter of type json or jsonb is a
 * string in TypeScript, the text of the JSON.
 */
import path from 'node:path';
import ts from 'typescript';

export interface Parameter {
  name: string;
  type: string;
  /** SQL text of the default, or null for none. */
  default: string | null;
}

export interface FunctionSpec {
  /** Name under which the bundle exports it. */
  exportName: string;
  schema: string;
  name: string;
  parameters: Parameter[];
  /** What follows RETURNS. */
  returns: string;
  volatility: 'IMMUTABLE' | 'STABLE' | 'VOLATILE';
  strict: boolean;
  definer: boolean;
  /** The function pins search_path. */
  pinned: boolean;
  /** EXECUTE stays with PUBLIC. */
  public: boolean;
  /** First paragraph of the doc comment on one line, or null. */
  comment: string | null;
  /** file:line of the declaration, relative to the root: for messages. */
  place: string;
}

/** What is wrong with a source, and where. */
export class SourceError extends Error {}

const TAGS = ['schema_name', 'name', 'param', 'return', 'table', 'volatility', 'strict', 'security', 'search_path', 'execute'];
const REPEATABLE = new Set(['param']);
const PREFIX = 'plv8ify_';
/** Words that cannot be the name of a parameter in a strict JavaScript function, which is what a stub is. */
const RESERVED = new Set(('arguments await break case catch class const continue debugger default delete do else enum eval export '
  + 'extends false finally for function if implements import in instanceof interface let new null package private '
  + 'protected public return static super switch this throw true try typeof var void while with yield plv8').split(' '));

const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2021, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true, noEmit: true, strict: true, types: [], lib: ['lib.es2021.d.ts'],
};
const libraries = new Map<string, ts.SourceFile | undefined>();

/** A compiler host that parses the language's own declarations once per process, which is most of the time spent. */
function libraryKeepingHost(): ts.CompilerHost {
  const host = ts.createCompilerHost(COMPILER_OPTIONS);
  const parse = host.getSourceFile.bind(host);
  host.getSourceFile = (file, ...rest) => {
    if (!/[\\/]lib\.[\w.]+\.d\.ts$/.test(file)) return parse(file, ...rest);
    if (!libraries.has(file)) libraries.set(file, parse(file, ...rest));
    return libraries.get(file);
  };
  return host;
}

/**
 * Reads the callable functions of the module `entry`, sorted by schema, name and parameters, so that the order of files
 * and of exports does not matter. `root` is the folder to which messages relate. Raises SourceError for a malformed
 * or unknown tag, a type without a SQL counterpart, two functions of one signature, and a tagged function in a
 * sibling file that the entry does not export.
 */
export function readSignatures(entry: string, root: string): FunctionSpec[] {
  const program = ts.createProgram([entry], COMPILER_OPTIONS, libraryKeepingHost());
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  if (source === undefined) throw new SourceError(`${path.relative(root, entry)}: there is no such file`);
  const module = checker.getSymbolAtLocation(source);
  if (module === undefined) throw new SourceError(`${path.relative(root, entry)}: exports nothing; export the functions that SQL calls`);

  const specs: FunctionSpec[] = [];
  const seen = new Set<ts.Node>();
  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    for (const declaration of symbol.declarations ?? []) {
      if (!hasTag(declaration)) continue;
      const callable = asFunction(declaration);
      if (callable === undefined) {
        throw new SourceError(`${place(declaration, root)}: ${exported.name} has ${PREFIX} tags but is not a function declaration; write it as "export function"`);
      }
      seen.add(callable);
      specs.push(readFunction(callable, exported.name, checker, root));
    }
  }
  for (const file of program.getSourceFiles()) {
    if (file.isDeclarationFile) continue;
    ts.forEachChild(file, (node) => {
      if (ts.isFunctionDeclaration(node) && hasTag(node) && !seen.has(node)) {
        throw new SourceError(`${place(node, root)}: ${node.name?.text ?? 'a function'} has ${PREFIX} tags but ${path.relative(root, entry)} does not export it`);
      }
    });
  }
  return sortUnique(specs);
}

function sortUnique(specs: FunctionSpec[]): FunctionSpec[] {
  const keyed = specs.map((spec) => ({ spec, key: `${spec.schema}.${spec.name}(${spec.parameters.map((p) => p.type).join(', ')})` }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  keyed.forEach(({ spec, key }, at) => {
    const before = keyed[at - 1];
    if (before?.key === key) throw new SourceError(`${spec.place}: ${key} is already declared at ${before.spec.place}`);
  });
  return keyed.map(({ spec }) => spec);
}

function asFunction(node: ts.Node): ts.FunctionDeclaration | undefined {
  return ts.isFunctionDeclaration(node) ? node : undefined;
}

function hasTag(node: ts.Node): boolean {
  return ts.getJSDocTags(node).some((tag) => tag.tagName.text.startsWith(PREFIX));
}

function place(node: ts.Node, root: string): string {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  return `${path.relative(root, file.fileName)}:${line + 1}`;
}

/** The values of the plv8ify tags of a declaration by name, each one line with single spaces. */
function readTags(node: ts.Node, where: string): Map<string, string[]> {
  const tags = new Map<string, string[]>();
  for (const tag of ts.getJSDocTags(node)) {
    const full = tag.tagName.text;
    if (!full.startsWith(PREFIX)) continue;
    const name = full.slice(PREFIX.length);
    if (!TAGS.includes(name)) throw new SourceError(`${where}: unknown tag @${full}; known are ${TAGS.map((t) => `@${PREFIX}${t}`).join(', ')}`);
    const values = tags.get(name) ?? [];
    if (values.length > 0 && !REPEATABLE.has(name)) throw new SourceError(`${where}: @${full} is given twice`);
    values.push((ts.getTextOfJSDocComment(tag.comment) ?? '').replace(/\s+/g, ' ').trim());
    tags.set(name, values);
  }
  return tags;
}

function readFunction(node: ts.FunctionDeclaration, exportName: string, checker: ts.TypeChecker, root: string): FunctionSpec {
  const where = place(node, root);
  const tags = readTags(node, where);
  const one = (tag: string): string | undefined => tags.get(tag)?.[0];
  const choice = <T extends string>(tag: string, allowed: readonly T[], otherwise: T): T => {
    const given = one(tag);
    if (given === undefined) return otherwise;
    const found = allowed.find((word) => word.toLowerCase() === given.toLowerCase());
    if (found === undefined) throw new SourceError(`${where}: @${PREFIX}${tag} ${given || '(empty)'}: expected ${allowed.join(', ')}`);
    return found;
  };
  const identifier = (tag: string, value: string): string => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) throw new SourceError(`${where}: @${PREFIX}${tag} ${value || '(empty)'}: expected an identifier`);
    return value;
  };
  const strict = one('strict');
  if (strict !== undefined && strict !== '') throw new SourceError(`${where}: @${PREFIX}strict takes no value, "${strict}" was given`);
  const schema = one('schema_name');
  if (schema === undefined) throw new SourceError(`${where}: ${exportName} has ${PREFIX} tags but no @${PREFIX}schema_name`);
  return {
    exportName,
    schema: identifier('schema_name', schema),
    name: identifier('name', one('name') ?? node.name?.text ?? exportName),
    parameters: readParameters(node, tags.get('param') ?? [], checker, where),
    returns: readReturn(node, one('return'), one('table'), checker, where),
    volatility: choice('volatility', ['IMMUTABLE', 'STABLE', 'VOLATILE'], 'VOLATILE'),
    strict: strict !== undefined,
    definer: choice('security', ['invoker', 'definer'], 'invoker') === 'definer',
    pinned: choice('search_path', ['pinned', 'caller'], 'pinned') === 'pinned',
    public: choice('execute', ['public', 'private'], 'public') === 'public',
    comment: firstParagraph(node),
    place: where,
  };
}

function readParameters(node: ts.FunctionDeclaration, tags: string[], checker: ts.TypeChecker, where: string): Parameter[] {
  const names = node.parameters.map((parameter) => {
    if (!ts.isIdentifier(parameter.name) || parameter.dotDotDotToken !== undefined) {
      throw new SourceError(`${where}: parameter ${parameter.getText()} must be one plain name`);
    }
    return parameter.name.text;
  });
  if (tags.length > 0 && tags.length !== names.length) {
    throw new SourceError(`${where}: ${names.length} parameter(s) but ${tags.length} @${PREFIX}param tag(s); give one per parameter, or none`);
  }
  const parameters = node.parameters.map((parameter, at): Parameter => {
    const own = names[at] as string;
    const tag = tags[at];
    if (tag === undefined) return { name: own, type: sqlType(checker.getTypeAtLocation(parameter), checker, `${where}: parameter ${own}`), default: null };
    const match = /^\{([^{}]+)\}\s+([A-Za-z_][A-Za-z0-9_]*)(?:\s+(?:DEFAULT|=)\s*(.+))?$/i.exec(tag);
    if (match === null) throw new SourceError(`${where}: @${PREFIX}param ${tag}: expected "{type} name" or "{type} name DEFAULT expression"`);
    const name = match[2] as string;
    if (name !== own && names.includes(name)) {
      throw new SourceError(`${where}: @${PREFIX}param ${tag} stands at position ${at + 1}, where the function has ${own}; give the tags in the order of the parameters`);
    }
    return { name, type: (match[1] as string).trim(), default: match[3] ?? null };
  });
  parameters.forEach(({ name }, at) => {
    if (RESERVED.has(name)) throw new SourceError(`${where}: parameter ${name} is a reserved word of JavaScript; choose another name`);
    if (parameters.findIndex((other) => other.name === name) !== at) throw new SourceError(`${where}: two parameters are called ${name}`);
    const before = parameters[at - 1];
    if (before !== undefined && before.default !== null && parameters[at]?.default === null) {
      throw new SourceError(`${where}: parameter ${name} follows one with a default, so it needs a default too`);
    }
  });
  return parameters;
}

function readReturn(node: ts.FunctionDeclaration, tag: string | undefined, table: string | undefined, checker: ts.TypeChecker, where: string): string {
  if (tag !== undefined && table !== undefined) throw new SourceError(`${where}: @${PREFIX}return and @${PREFIX}table exclude each other`);
  const inBraces = (name: string, value: string): string => {
    const match = /^\{(.+)\}$/.exec(value);
    if (match === null) throw new SourceError(`${where}: @${PREFIX}${name} ${value || '(empty)'}: expected braces, as in {text}`);
    return (match[1] as string).trim();
  };
  if (table !== undefined) return `TABLE (${inBraces('table', table)})`;
  if (tag !== undefined) return inBraces('return', tag);
  const signature = checker.getSignatureFromDeclaration(node);
  if (signature === undefined) throw new SourceError(`${where}: has no signature`);
  return sqlType(checker.getReturnTypeOfSignature(signature), checker, `${where}: return value`);
}

function sqlType(type: ts.Type, checker: ts.TypeChecker, where: string): string {
  if (type.flags & ts.TypeFlags.Void) return 'void';
  const bare = checker.getNonNullableType(type);
  if (bare.flags & ts.TypeFlags.StringLike) return 'text';
  if (bare.flags & ts.TypeFlags.NumberLike) return 'double precision';
  if (bare.flags & ts.TypeFlags.BigIntLike) return 'bigint';
  if (bare.flags & ts.TypeFlags.BooleanLike) return 'boolean';
  throw new SourceError(`${where} of type ${checker.typeToString(type)} has no SQL type of its own; name it in a tag`);
}

function firstParagraph(node: ts.FunctionDeclaration): string | null {
  const doc = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).at(-1);
  const text = ts.getTextOfJSDocComment(doc?.comment);
  const paragraph = text?.split(/\r?\n\s*\r?\n/)[0]?.replace(/\s+/g, ' ').trim();
  return paragraph ? paragraph : null;
}
