-- The loop that runs steps. It is PL/pgSQL, with the rights of its caller, so that a user's SQL runs as the user, can
-- be cancelled, keeps its SQLSTATE, and gives exact JSON; and a procedure, so that each step commits by itself. It
-- cannot pin its search_path, since a procedure that does may not commit: everything in it is schema-qualified.
CREATE PROCEDURE df.work(
    max_seconds double precision DEFAULT 10,
    max_steps integer DEFAULT 10000,
    INOUT steps bigint DEFAULT 0,
    INOUT next_due timestamptz DEFAULT NULL,
    INOUT more boolean DEFAULT false,
    dedicated boolean DEFAULT false)
LANGUAGE plpgsql
AS $work$
DECLARE
    me         name := SESSION_USER;
    began      timestamptz := pg_catalog.clock_timestamp();
    deadline   timestamptz;
    batch      record;
    row        record;
    rows       text[];
    types      text;
    mode       text;
    outcomes   text[];
    durations  double precision[];
    started    timestamptz;
    steps_from timestamptz;
    verdict    text;
    sqlstate_  text;
    message    text;
    detail_    text;
    hint_      text;
    context_   text;
    plain      boolean;
    own_temp   oid[] := '{}';
    leftover   text;
    settings   text[];
    done       integer;
BEGIN
    IF max_seconds IS NULL OR NOT (max_seconds OPERATOR(pg_catalog.>) 0 AND max_seconds OPERATOR(pg_catalog.<=) 1000000000) OR max_steps IS NULL OR max_steps OPERATOR(pg_catalog.<) 1 THEN
        RAISE EXCEPTION 'df.work needs positive limits, got max_seconds = % and max_steps = %', max_seconds, max_steps
            USING ERRCODE = 'invalid_parameter_value', HINT = 'max_seconds goes up to 1000000000.';
    END IF;
    IF SESSION_USER OPERATOR(pg_catalog.<>) CURRENT_USER THEN
        RAISE EXCEPTION 'df.work runs the workflows of the session user "%", but the current role is "%"', SESSION_USER, CURRENT_USER
            USING ERRCODE = 'insufficient_privilege', HINT = 'RESET ROLE first, or log in as the submitter.';
    END IF;
    deadline := began OPERATOR(pg_catalog.+) (max_seconds OPERATOR(pg_catalog.*) interval '1 second');
    steps := 0;
    next_due := NULL;
    more := true;
    -- Steps know nothing of this session: neither its settings nor, afterwards, it of theirs.
    IF NOT dedicated THEN
        SELECT pg_catalog.array_agg(ARRAY[s.name, pg_catalog.current_setting(s.name)]) INTO settings
        FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session'
            AND s.name NOT IN ('role', 'session_authorization', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable');
        -- PostgreSQL lists no settings that no library has declared, so ours are named.
        SELECT pg_catalog.array_cat(settings, pg_catalog.array_agg(ARRAY[n.name, n.value])) INTO settings
        FROM (SELECT o.name, pg_catalog.current_setting(o.name, true) AS value
            FROM pg_catalog.unnest(ARRAY['enable_superuser_instances', 'max_user_connections', 'execution_acquire_timeout',
                'max_new_transaction_starts', 'new_transaction_start_timeout', 'list_instances_max_limit', 'retention_days',
                'reconcile_interval', 'loop_min_interval', 'http']) s(suffix),
                pg_catalog.concat('pg_durable.', s.suffix) o(name)) n
        WHERE n.value OPERATOR(pg_catalog.<>) '';
        own_temp := ARRAY(SELECT c.oid FROM pg_catalog.pg_class c
            WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema());
        RESET ALL;
    END IF;
    PERFORM pg_catalog.set_config('df.in_workflow', 'true', false);
    plain := pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.=) 'read committed'
        AND pg_catalog.current_setting('default_transaction_isolation') OPERATOR(pg_catalog.=) 'read committed'
        AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off'
        AND pg_catalog.current_setting('default_transaction_read_only') OPERATOR(pg_catalog.=) 'off';

    <<batches>>
    LOOP
        -- The engine locks rows and skips locked ones, which needs READ COMMITTED whatever the role's default is. That can be
        -- said in a new transaction only, before anything is looked at.
        IF NOT plain THEN
            COMMIT;
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
        END IF;
        SELECT c.state, c.statements, c.modes, c.shared, c.next_due INTO batch
        FROM _df.claim(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()),
            LEAST(max_steps OPERATOR(pg_catalog.-) steps, 1000)::pg_catalog.int4) c;
        IF batch.state OPERATOR(pg_catalog.=) 'idle' THEN
            next_due := pg_catalog.to_timestamp(batch.next_due);
            more := false;
            COMMIT;
            EXIT batches;
        END IF;
        IF batch.state OPERATOR(pg_catalog.=) 'again' THEN
            COMMIT;
            EXIT batches WHEN pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>=) deadline;
            CONTINUE batches;
        END IF;

        outcomes := '{}';
        durations := '{}';
        done := 0;
        FOR k IN 1..pg_catalog.cardinality(batch.statements) LOOP
            started := pg_catalog.clock_timestamp();
            IF k OPERATOR(pg_catalog.=) 1 THEN
                steps_from := started;
            END IF;
            -- What a shared batch holds locked, it holds for a few milliseconds.
            EXIT WHEN k OPERATOR(pg_catalog.>) 1 AND started OPERATOR(pg_catalog.-) steps_from OPERATOR(pg_catalog.>) interval '100 milliseconds';
            BEGIN
                IF batch.shared THEN
                    PERFORM pg_catalog.set_config('lock_timeout', '20', true);
                END IF;
                mode := batch.modes[k];
                IF mode OPERATOR(pg_catalog.=) 'rows' THEN
                    rows := '{}';
                    types := NULL;
                    BEGIN
                        FOR row IN EXECUTE batch.statements[k] LOOP
                            IF types IS NULL THEN
                                BEGIN
                                    types := _df.column_types(pg_catalog.record_send(row));
                                EXCEPTION WHEN undefined_function THEN
                                    types := '';  -- a column type without a binary form: all columns stay as to_json writes them
                                END;
                            END IF;
                            rows := pg_catalog.array_append(rows, pg_catalog.to_json(row)::text);
                        END LOOP;
                    EXCEPTION WHEN invalid_cursor_definition THEN
                        mode := 'none';  -- CALL, EXECUTE and rules may turn out to return nothing; refused before it ran
                    END;
                END IF;
                IF mode OPERATOR(pg_catalog.=) 'rows' THEN
                    IF types IS NULL THEN
                        BEGIN
                            types := _df.column_types(pg_catalog.record_send(row));
                            rows := ARRAY[pg_catalog.to_json(row)::text];
                        EXCEPTION WHEN OTHERS THEN
                            types := '';
                        END;
                        outcomes[k] := pg_catalog.concat('r0', E'\x1e', types, E'\x1e', rows[1]);
                    ELSE
                        outcomes[k] := pg_catalog.concat('r', pg_catalog.cardinality(rows)::text, E'\x1e', types, E'\x1e',
                            pg_catalog.array_to_string(rows, E'\x1e'));
                    END IF;
                ELSE
                    IF mode OPERATOR(pg_catalog.=) 'into' THEN
                        PERFORM _df.select_into(batch.statements[k]);
                    ELSE
                        EXECUTE batch.statements[k];
                    END IF;
                    outcomes[k] := 'n';
                END IF;
                -- What is deferred to the commit has to fail here, where it fails the step.
                IF NOT batch.shared THEN
                    SET CONSTRAINTS ALL IMMEDIATE;
                END IF;
            EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN
                GET STACKED DIAGNOSTICS sqlstate_ = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail_ = PG_EXCEPTION_DETAIL,
                    hint_ = PG_EXCEPTION_HINT, context_ = PG_EXCEPTION_CONTEXT;
                -- Somebody who cancels the session takes the step back. The role's statement_timeout fails it, unless steps before
                -- it had more than a little of that time; so does a cancel that the step has raised itself or had from another server.
                IF sqlstate_ OPERATOR(pg_catalog.=) '57014' AND NOT _df.timed_out(CASE WHEN k OPERATOR(pg_catalog.=) 1 AND steps OPERATOR(pg_catalog.=) 0 THEN began ELSE started END)
                    AND pg_catalog.split_part(context_, E'\n', 1) OPERATOR(pg_catalog.!~) ' RAISE$|dblink|remote SQL' THEN
                    RAISE;
                END IF;
                outcomes[k] := pg_catalog.concat('e', pg_catalog.json_build_object('sqlstate', sqlstate_, 'message', message,
                    'detail', detail_, 'hint', hint_, 'context', context_)::text);
            END;
            durations[k] := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) started)
                OPERATOR(pg_catalog.*) 1000;
            done := k;
            -- The next step starts from a clean session.
            IF SESSION_USER OPERATOR(pg_catalog.<>) me THEN
                SET SESSION AUTHORIZATION DEFAULT;
            END IF;
            IF SESSION_USER OPERATOR(pg_catalog.<>) CURRENT_USER OR pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none' THEN
                RESET ROLE;
            END IF;
            RESET ALL;
            PERFORM pg_catalog.set_config('df.in_workflow', 'true', false);
            IF pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 THEN
                IF pg_catalog.cardinality(own_temp) OPERATOR(pg_catalog.=) 0 THEN
                    DISCARD TEMP;
                ELSE
                    FOR leftover IN
                        SELECT pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
                            CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::pg_catalog.regclass)
                        FROM pg_catalog.pg_class c
                        WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() AND c.relkind IN ('r', 'p', 'v', 'S')
                            AND NOT c.oid OPERATOR(pg_catalog.=) ANY (own_temp)
                    LOOP
                        EXECUTE leftover;
                    END LOOP;
                END IF;
            END IF;
            IF NOT batch.shared AND dedicated THEN
                PERFORM pg_catalog.pg_advisory_unlock_all();
                EXECUTE 'CLOSE ALL';
                DEALLOCATE ALL;
                UNLISTEN *;
            END IF;
        END LOOP;

        verdict := 'done';
        IF batch.shared THEN
            BEGIN
                SET CONSTRAINTS ALL IMMEDIATE;
            EXCEPTION WHEN assert_failure OR OTHERS THEN
                verdict := 'undo';
            END;
        END IF;
        IF verdict OPERATOR(pg_catalog.=) 'done' THEN
            verdict := _df.finish(outcomes, durations, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()));
        ELSE
            PERFORM _df.split();
        END IF;
        IF verdict OPERATOR(pg_catalog.=) 'done' THEN
            COMMIT;
            steps := steps OPERATOR(pg_catalog.+) done;
        ELSE
            ROLLBACK;
        END IF;
        EXIT batches WHEN steps OPERATOR(pg_catalog.>=) max_steps OR pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>=) deadline;
    END LOOP;

    PERFORM pg_catalog.set_config('df.in_workflow', '', false);
    IF settings IS NOT NULL THEN
        FOR k IN 1..pg_catalog.array_length(settings, 1) LOOP
            PERFORM pg_catalog.set_config(settings[k][1], settings[k][2], false);
        END LOOP;
    END IF;
END $work$;
COMMENT ON PROCEDURE df.work(double precision, integer, bigint, timestamptz, boolean, boolean) IS
'Runs due steps of the session user''s workflows until nothing is due, or max_seconds (> 0) have passed, or max_steps (>= 1) steps have run. Returns steps (how many ran), next_due (when this role''s next timer is due, NULL if none) and more (whether a limit ended it). A step that is running is not interrupted. dedicated => true is for sessions that do nothing else: their settings and session objects are reset after each step. Call it at top level, outside a transaction block.';

-- For drivers that can only begin now and then. It is a procedure of its own: the signature of df.work stays what it
-- was in every version, so that a call which runs while the extension is updated goes on.
CREATE PROCEDURE df.drive(max_seconds double precision DEFAULT 55)
LANGUAGE plpgsql
AS $drive$
DECLARE
    deadline timestamptz;
    now_     timestamptz;
    steps    bigint;
    next_due timestamptz;
    more     boolean;
BEGIN
    IF max_seconds IS NULL OR NOT (max_seconds OPERATOR(pg_catalog.>) 0 AND max_seconds OPERATOR(pg_catalog.<=) 1000000000) THEN
        RAISE EXCEPTION 'df.drive needs a positive limit, got max_seconds = %', max_seconds
            USING ERRCODE = 'invalid_parameter_value', HINT = 'max_seconds goes up to 1000000000.';
    END IF;
    deadline := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) (max_seconds OPERATOR(pg_catalog.*) interval '1 second');
    LOOP
        now_ := pg_catalog.clock_timestamp();
        EXIT WHEN now_ OPERATOR(pg_catalog.>=) deadline;
        CALL df.work(GREATEST(pg_catalog.date_part('epoch', deadline OPERATOR(pg_catalog.-) now_), 0.001), 10000, steps, next_due, more);
        IF more IS NOT TRUE THEN
            -- One look per fifth of a second finds what others start; a known timer is met in time.
            now_ := pg_catalog.clock_timestamp();
            PERFORM pg_catalog.pg_sleep(pg_catalog.date_part('epoch',
                LEAST(now_ OPERATOR(pg_catalog.+) interval '0.2 seconds', next_due, deadline) OPERATOR(pg_catalog.-) now_));
            COMMIT;
        END IF;
    END LOOP;
END $drive$;
COMMENT ON PROCEDURE df.drive(double precision) IS
'Runs due steps of the session user''s workflows, and waits for more, until max_seconds (> 0) have passed: for drivers that begin now and then, such as pg_cron. Call it at top level, outside a transaction block.';
