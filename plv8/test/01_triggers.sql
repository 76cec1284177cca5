-- Point 1, continued: triggers.
\ir helpers.sql
SELECT no_plan();

CREATE TABLE t (id int, v text, n numeric, j jsonb);
CREATE TABLE seen (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plv8 AS $$
	plv8.execute('INSERT INTO seen VALUES ($1)', [[TG_NAME, TG_WHEN, TG_LEVEL, TG_OP, TG_TABLE_NAME, TG_TABLE_SCHEMA,
		TG_ARGV.join('+'), typeof NEW, typeof OLD].join(' ')]);
	return NEW || OLD;
$$;
CREATE FUNCTION last_seen() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE r text; BEGIN SELECT string_agg(what, '|') INTO r FROM seen; DELETE FROM seen; RETURN r; END $$;

CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note('x', 'y');
INSERT INTO t VALUES (1, 'a', 1.5, '{"k": 1}');
SELECT is(last_seen(), 'noted AFTER ROW INSERT t public x+y object undefined', 'AFTER INSERT FOR EACH ROW');
UPDATE t SET v = 'b';
SELECT is(last_seen(), 'noted AFTER ROW UPDATE t public x+y object object', 'AFTER UPDATE FOR EACH ROW');
DELETE FROM t;
SELECT is(last_seen(), 'noted AFTER ROW DELETE t public x+y undefined object', 'AFTER DELETE FOR EACH ROW');
DROP TRIGGER noted ON t;

CREATE TRIGGER stmt BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION note();
INSERT INTO t VALUES (1), (2);
SELECT is(last_seen(), 'stmt BEFORE STATEMENT INSERT t public  undefined undefined', 'statement trigger, once for two rows');
TRUNCATE t;
SELECT is(last_seen(), 'stmt BEFORE STATEMENT TRUNCATE t public  undefined undefined', 'TRUNCATE');
DROP TRIGGER stmt ON t;

CREATE FUNCTION changing() RETURNS trigger LANGUAGE plv8 AS $$
	NEW.v = (NEW.v || '') + '!'; NEW.n = 2.25; NEW.j = { seen: NEW.id, old: OLD ? OLD.v : null }; return NEW; $$;
CREATE TRIGGER change BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION changing();
INSERT INTO t VALUES (1, 'a');
SELECT is(t::text, '(1,a!,2.25,"{""old"": null, ""seen"": 1}")', 'NEW as changed is what is stored') FROM t;
UPDATE t SET id = 2;
SELECT is(t::text, '(2,a!!,2.25,"{""old"": ""a!"", ""seen"": 2}")', 'and in UPDATE, beside OLD') FROM t;
DROP TRIGGER change ON t;

CREATE FUNCTION skipping() RETURNS trigger LANGUAGE plv8 AS $$ return NEW && NEW.id % 2 ? NEW : null; $$;
CREATE TRIGGER skip_some BEFORE INSERT OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION skipping();
TRUNCATE t;
INSERT INTO t SELECT i FROM generate_series(1, 5) i;
SELECT is(ARRAY(SELECT id FROM t ORDER BY id), '{1,3,5}', 'null skips the row');
DELETE FROM t;
SELECT is((SELECT count(*)::int FROM t), 3, 'also for DELETE');
DROP TRIGGER skip_some ON t;

CREATE FUNCTION silent() RETURNS trigger LANGUAGE plv8 AS $$ $$;
CREATE TRIGGER silent BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION silent();
TRUNCATE t;
INSERT INTO t VALUES (1, 'kept');
SELECT ours_is('SELECT v FROM t', 'kept', 'undefined leaves the row as it is');
DROP TRIGGER silent ON t;

CREATE FUNCTION deleting() RETURNS trigger LANGUAGE plv8 AS $$ return OLD; $$;
CREATE TRIGGER deleting BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION deleting();
TRUNCATE t;
INSERT INTO t VALUES (1);
DELETE FROM t;
SELECT is((SELECT count(*)::int FROM t), 0, 'BEFORE DELETE returning OLD deletes');
DROP TRIGGER deleting ON t;

CREATE FUNCTION refusing() RETURNS trigger LANGUAGE plv8 AS $$ throw new Error('refused ' + NEW.id); $$;
CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refusing();
SELECT fails('INSERT INTO t VALUES (9)', NULL, 'refused 9', 'a trigger''s exception ends the statement');
DROP TRIGGER refuse ON t;

CREATE VIEW w AS SELECT id, v FROM t;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plv8 AS $$
	plv8.execute('INSERT INTO t (id, v) VALUES ($1, $2)', [NEW.id, TG_WHEN + ' ' + TG_OP]); return NEW; $$;
CREATE TRIGGER instead INSTEAD OF INSERT ON w FOR EACH ROW EXECUTE FUNCTION instead();
INSERT INTO w VALUES (5, 'ignored');
SELECT is((SELECT v FROM t WHERE id = 5), 'INSTEAD OF INSERT', 'INSTEAD OF on a view');

-- the relation's id, one function on several tables, and tables that change
CREATE TABLE u (id int, extra date);
CREATE FUNCTION relid() RETURNS trigger LANGUAGE plv8 AS $$
	plv8.execute('INSERT INTO seen VALUES ($1)', [String(plv8.execute('SELECT $1::oid::regclass::text AS n', [TG_RELID])[0].n) + ' ' + Object.keys(NEW).join()]);
	return NEW; $$;
CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION relid();
CREATE TRIGGER r BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION relid();
INSERT INTO t VALUES (1);
INSERT INTO u VALUES (1);
SELECT is(last_seen(), 't id,v,n,j|u id,extra', 'one trigger function on two tables');
ALTER TABLE u DROP COLUMN extra, ADD COLUMN later text DEFAULT 'd';
INSERT INTO u VALUES (2);
SELECT is(last_seen(), 'u id,later', 'columns that were dropped and added');
SELECT is((SELECT later FROM u WHERE id = 2), 'd', 'and their values');

-- a trigger that fires itself
CREATE FUNCTION again() RETURNS trigger LANGUAGE plv8 AS $$
	if (NEW.id > 0) plv8.execute('INSERT INTO r VALUES ($1)', [NEW.id - 1]); return NEW; $$;
CREATE TABLE r (id int);
CREATE TRIGGER again BEFORE INSERT ON r FOR EACH ROW EXECUTE FUNCTION again();
INSERT INTO r VALUES (10);
SELECT is((SELECT count(*)::int FROM r), 11, 'a trigger that fires itself');

-- misuse
SELECT fails('SELECT again()', NULL, 'trigger', 'a trigger function cannot be called');
CREATE FUNCTION bad_row() RETURNS trigger LANGUAGE plv8 AS $$ return 'text'; $$;
CREATE TRIGGER bad BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION bad_row();
SELECT fails('INSERT INTO u VALUES (3)', NULL, '.', 'a string for a row is an error');
DROP TRIGGER bad ON u;
CREATE FUNCTION bad_value() RETURNS trigger LANGUAGE plv8 AS $$ NEW.id = 'abc'; return NEW; $$;
CREATE TRIGGER bad BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION bad_value();
SELECT ours_fails('INSERT INTO u VALUES (3)', '22P02', 'abc', 'a wrong value in NEW is an error');
DROP TRIGGER bad ON u;

-- constraint trigger and transition tables
CREATE FUNCTION counts() RETURNS trigger LANGUAGE plv8 AS $$
	plv8.execute('INSERT INTO seen VALUES ($1)', ['rows ' + plv8.execute('SELECT count(*)::int AS n FROM fresh')[0].n]); return null; $$;
CREATE TRIGGER trans AFTER INSERT ON r REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION counts();
DROP TRIGGER again ON r;
INSERT INTO r VALUES (1), (2), (3);
SELECT ours_is('SELECT last_seen()', 'rows 3', 'transition tables can be read');
SELECT * FROM finish();
