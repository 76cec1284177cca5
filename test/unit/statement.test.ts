import test from 'ava';
import fc from 'fast-check';
import { classify } from '../../src/engine/statement.ts';

/** What PL/pgSQL's FOR r IN EXECUTE said to each of these on PostgreSQL 15. */
const OPENS = [
  'select 1', 'values(1)', 'table t', '(select 1)', '((values(1)))', 'with x as (select 1) select * from x',
  'with x as (insert into t values(2) returning a) select * from x', 'with x as (select 1) insert into t select * from x returning a',
  'insert into t values(1) returning *', 'update t set a=2 returning a', 'delete from t returning 1', 'show all', 'show work_mem',
  'explain select 1', 'explain analyze delete from t', 'explain (analyze) select 1', 'fetch c', 'fetch 1 from c', 'select 1;', 'select 1; ;', ';select 1',
  'select 1 for update', 'explain create table q as select 1', 'with x as (select 1) table x', 'with x as (select 1) (select * from x)',
  'with x as (select 1) values(1)', '(with x as (select 1) select * from x)',
  'with recursive x(n) as (select 1 union all select n+1 from x where n<3) search depth first by n set o select * from x',
  'with recursive x(n) as (select 1 union all select n+1 from x where n<3) search breadth first by n set o cycle n set c using p, insert as (select 1) select * from x',
  'select 1 union (select 2)', 'select a as into from t', 'insert into t(a) values(1) on conflict do nothing returning a',
  'with insert as (select 1), values(c) as not materialized (select 2) select * from insert, values', 'with x as materialized (select 1) select 1',
  '-- c\nselect 1', '/* a /* ; */ ; */ select 1', "select ';' || $$;$$ || $a$ ; $$ $a$ || E'\\';' as \";\"", "select U&'\\0041;', B'0', N'x;', $1",
  "select 1 -- ; delete from t", 'merge into t using s on a=b when matched then delete returning t.a',
  'select t.into from t', 'select $$ into $$, "into", \'into\'', "select e'\\\\' , ';'",
];
const DOES_NOT_OPEN = [
  'with x as (select 1) insert into t select * from x', 'insert into t values(1)', 'delete from t', 'update t set a = 1 where current of c',
  'merge into t using (select 1 b) s on a=b when matched then do nothing', 'move c', "do 'begin end'", 'select 1; select 2', '', '  ', '-- c', '/* c', ';', ';;',
  'select 1 into temp zz', 'select into zz2 from t', 'create table zz3 as select 1', "set work_mem='1MB'", 'vacuum t', 'begin', 'commit', 'listen x',
  'prepare p3 as select 1', 'copy t to stdout', 'truncate t', 'lock t', 'declare c3 cursor for select 1', 'refresh materialized view x',
  'with x as materialized (select 1) update t set a=1', '(select 1 into zz7)', 'with x as (select 1) select 1 into zz10', 'analyze t', 'reindex table t', 'import',
  'with x as (insert into t values (1) returning a) delete from t', 'insert into t select 1 as returning', 'with returning_x as (select 1) delete from t',
  "insert into t values ('returning 1') /* returning 1 */ -- returning 1", 'insert into t select "returning".a from "returning" where "returning".returning',
  'insert into t with x as (delete from s returning a) select a from x', 'delete from t where a in (select 1) and (select returning from s)',
  '$', "'", '"', '(', ')', 'with', 'with x', 'with x as (', 'with recursive',
];

test('returnsRows is what a cursor accepts', (t) => {
  for (const sql of OPENS) t.is(classify(sql).returnsRows, true, sql);
  for (const sql of DOES_NOT_OPEN) t.is(classify(sql).returnsRows, false, sql);
  for (const sql of ['call p()', 'CALL p(1)', 'execute ps']) t.is(classify(sql).returnsRows, null, sql);
});

test('shareable: queries and changes of data, and nothing else', (t) => {
  for (const sql of ['select 1', '(table t)', 'values (1)', 'insert into t values (1)', 'WITH x as (select 1) delete from t', 'merge into t using s on true when matched then delete']) {
    t.true(classify(sql).shareable, sql);
  }
  for (const sql of ['', 'call p()', 'show all', 'explain select 1', 'create table t as select 1', 'select 1 into t', 'select 1; select 1', 'vacuum', 'set x = 1', 'do $$begin end$$', 'truncate t']) {
    t.false(classify(sql).shareable, sql);
  }
});

test('keyword and verb', (t) => {
  const words = (sql: string): string[] => [classify(sql).keyword, classify(sql).verb];
  t.deepEqual(words(' /* x */ ((sElect 1))'), ['SELECT', 'SELECT']);
  t.deepEqual(words('with a as (select 1), b(x) as (delete from t returning x) update t set a = 1'), ['WITH', 'UPDATE']);
  t.deepEqual(words('vacuum full t'), ['VACUUM', 'VACUUM']);
  t.deepEqual(words('-- nothing'), ['', '']);
  t.is(classify('ınsert into t').keyword, '', 'a dotless i is another letter');
});

test('selectInto', (t) => {
  for (const sql of ['select 1 into t', '(select * INTO temp t from x)', 'with a as (select 1) select a /* */ into t from a', 'select "a"into t']) t.true(classify(sql).selectInto, sql);
  for (const sql of ['insert into t select 1', 'select 1', 'with a as (insert into t values (1) returning 1) select 1', 'select (select 1 as into)']) t.false(classify(sql).selectInto, sql);
});

test('multiple looks through every kind of quoting', (t) => {
  for (const sql of [
    'select 1;', "select ';'", 'select $x$ ; $y$ ; $x$;', 'select ";" -- ;', 'select a$b$c, d$b$ from t /* ; select 1 */ ;',
    'create rule r as on insert to t do (select 1; select 2)', "select 'it''s;'",
    'create function f() returns int begin atomic select 1; select case when true then 1 end; end;',
    'create or replace procedure p() language sql BEGIN ATOMIC; END',
  ]) t.false(classify(sql).multiple, sql);
  for (const sql of ['select 1;select 2', "select E'\\\\'; select 2", "select '\\'; select 2", ';;a;b', 'begin; commit', 'select a$b$; select 1; $b$']) t.true(classify(sql).multiple, sql);
  t.true(classify("select 'a\\'; select 2 --'", true).multiple);
  t.false(classify("select 'a\\'; select 2 --'", false).multiple);
});

test('any text gets an answer, in linear time', (t) => {
  const piece = fc.constantFrom("'", '"', '$$', '$a$', '(', ')', ';', '--', '/*', '*/', '\n', 'with', 'as', 'select', 'into', ',', 'x', ' ', 'E', '\\', '1', 'é');
  fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
    const found = classify(pieces.join(''));
    t.true(!found.shareable || found.keyword !== '');
  }), { numRuns: 3000 });
  for (const big of ['('.repeat(500_000), "E'" + '\\\\'.repeat(500_000), "'" + "''".repeat(500_000), '/*'.repeat(500_000), 'select ' + '1,'.repeat(300_000) + '1', ' \n'.repeat(500_000)]) {
    t.false(classify(big).multiple);
  }
});
