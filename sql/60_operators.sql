-- PostgreSQL gives all of these one precedence, left to right; docs/user-guide.md says what follows from it.
CREATE OPERATOR pg_catalog.~> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.seq);
COMMENT ON OPERATOR pg_catalog.~> (text, text) IS 'workflow: the left step, then the right one (df.seq)';
CREATE OPERATOR pg_catalog.|=> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.as_op);
COMMENT ON OPERATOR pg_catalog.|=> (text, text) IS 'workflow: the left step''s result gets the right name (df."as")';
CREATE OPERATOR pg_catalog.& (LEFTARG = text, RIGHTARG = text, FUNCTION = df."join");
COMMENT ON OPERATOR pg_catalog.& (text, text) IS 'workflow: both at once, and wait for both (df."join")';
CREATE OPERATOR pg_catalog.| (LEFTARG = text, RIGHTARG = text, FUNCTION = df.race);
COMMENT ON OPERATOR pg_catalog.| (text, text) IS 'workflow: both at once, and the first one to finish wins (df.race)';
CREATE OPERATOR pg_catalog.?> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.if_then_op);
COMMENT ON OPERATOR pg_catalog.?> (text, text) IS 'workflow: if the left step''s result is true, the right one (df."if")';
CREATE OPERATOR pg_catalog.!> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.if_else_op);
COMMENT ON OPERATOR pg_catalog.!> (text, text) IS 'workflow: what a ?> on the left runs otherwise (df."if")';
CREATE OPERATOR pg_catalog.@> (RIGHTARG = text, FUNCTION = df.loop_prefix_op);
COMMENT ON OPERATOR pg_catalog.@> (NONE, text) IS 'workflow: repeats the step on its right (df."loop")';
