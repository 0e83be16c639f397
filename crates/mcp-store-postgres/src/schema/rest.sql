-- What stands beside the tables of accounts and sessions, and is ours alone.
ALTER TABLE users ALTER COLUMN name_key SET NOT NULL;
CREATE UNIQUE INDEX uq_users_name ON users (name_key);
CREATE UNIQUE INDEX uq_users_email ON users (email_key);
CREATE UNIQUE INDEX uq_us_token ON user_sessions (token_jti);
CREATE INDEX IF NOT EXISTS idx_us_user ON user_sessions (user_id);
CREATE INDEX IF NOT EXISTS idx_us_exp ON user_sessions (expires_at);

CREATE TABLE mcp_tokens (
  seq BIGSERIAL NOT NULL UNIQUE,
  id VARCHAR(128) PRIMARY KEY,
  -- SHA-256 of the token in hex, never the token.
  hash VARCHAR(64) COLLATE "C" NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  database VARCHAR(63),
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  expires_at TIMESTAMPTZ,
  roles JSONB NOT NULL DEFAULT '[]'::jsonb,
  db_role VARCHAR(63),
  tools JSONB,
  read_only BOOLEAN NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX uq_mcp_tokens_hash ON mcp_tokens (hash);
CREATE INDEX idx_mcp_tokens_exp ON mcp_tokens (expires_at) WHERE expires_at IS NOT NULL;

-- A table of accounts for statements that call it by this name; writes go through.
CREATE VIEW email_users AS
  SELECT id, email, username, full_name, password_hash, is_admin, is_active, email_verified_at,
         password_change_required, password_changed_at, failed_login_attempts, locked_until,
         created_at, updated_at, last_login_at AS last_login
  FROM users;

-- A name as it is compared.
CREATE FUNCTION mcp_fold(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT normalize(lower(normalize(given, NFKC) COLLATE @COLLATION@), NFKC)
$$;

-- A list of names, as roles and databases are.
CREATE FUNCTION mcp_is_list(given jsonb, form text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT given IS NULL OR jsonb_typeof(given) = 'array' AND NOT EXISTS (
    SELECT FROM jsonb_array_elements(CASE jsonb_typeof(given) WHEN 'array' THEN given ELSE '[]' END) AS element
    WHERE jsonb_typeof(element) <> 'string' OR NOT (element #>> '{}') ~ form)
$$;

-- Before a row is written, by us or by hand: what cannot be read back is refused, the two
-- spellings stay in step, the keys follow their names.
CREATE FUNCTION users_sync() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NEW.username = '' OR octet_length(NEW.username) > 128 OR NEW.username ~ '[@:[:cntrl:]]|^\s|\s$' THEN
    RAISE check_violation USING MESSAGE = 'a user name has 1 to 128 bytes, no "@", no ":", no control character and no space at its ends';
  END IF;
  IF NOT mcp_is_list(NEW.roles, '^[A-Za-z0-9_-]{1,63}$') THEN
    RAISE check_violation USING MESSAGE = 'roles is a list of names: letters, digits, "_" and "-"';
  END IF;
  IF NOT mcp_is_list(NEW.databases, '^[^[:cntrl:][:space:]]{1,63}$') THEN
    RAISE check_violation USING MESSAGE = 'databases is a list of names, or NULL for every one';
  END IF;
  IF TG_OP = 'INSERT' THEN
    NEW.name_key := coalesce(NEW.name_key, mcp_fold(NEW.username));
    NEW.email_key := coalesce(NEW.email_key, lower(NEW.email COLLATE @COLLATION@));
    NEW.active := NEW.active AND NEW.is_active;
    NEW.is_active := NEW.active;
    IF NEW.roles ? 'admin' THEN NEW.is_admin := true;
    ELSIF NEW.is_admin THEN NEW.roles := NEW.roles || '["admin"]'::jsonb;
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.username IS DISTINCT FROM OLD.username AND NEW.name_key IS NOT DISTINCT FROM OLD.name_key THEN
    NEW.name_key := mcp_fold(NEW.username);
  END IF;
  IF NEW.email IS DISTINCT FROM OLD.email AND NEW.email_key IS NOT DISTINCT FROM OLD.email_key THEN
    NEW.email_key := lower(NEW.email COLLATE @COLLATION@);
  END IF;
  IF NEW.active IS DISTINCT FROM OLD.active THEN NEW.is_active := NEW.active;
  ELSIF NEW.is_active IS DISTINCT FROM OLD.is_active THEN NEW.active := NEW.is_active;
  END IF;
  IF NEW.is_admin IS DISTINCT FROM OLD.is_admin THEN
    NEW.roles := CASE WHEN NEW.is_admin THEN (NEW.roles - 'admin') || '["admin"]'::jsonb ELSE NEW.roles - 'admin' END;
  ELSIF NEW.roles IS DISTINCT FROM OLD.roles THEN NEW.is_admin := NEW.roles ? 'admin';
  END IF;
  -- A stronger hash of the same password is no change of the password.
  IF NEW.password_hash IS DISTINCT FROM OLD.password_hash
     AND NEW.password_changed_at IS NOT DISTINCT FROM OLD.password_changed_at
     AND current_setting('mcp.rehash', true) IS DISTINCT FROM 'on' THEN
    NEW.password_changed_at := now();
  END IF;
  NEW.updated_at := now();
  RETURN NEW;
END $$;

-- After it: who was disabled, or got another password by hand, is put out; and everybody is told.
-- The server says itself which sessions end with a password that it sets.
CREATE FUNCTION mcp_users_changed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM pg_notify('mcp_auth', 'user:' || OLD.username);
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF OLD.active AND NOT NEW.active
       OR OLD.password_hash IS DISTINCT FROM NEW.password_hash
          AND current_setting('mcp.keeps_sessions', true) IS DISTINCT FROM 'on' THEN
      DELETE FROM user_sessions WHERE user_id = NEW.id;
    END IF;
    IF OLD.username IS DISTINCT FROM NEW.username THEN
      PERFORM pg_notify('mcp_auth', 'user:' || OLD.username);
    END IF;
  END IF;
  PERFORM pg_notify('mcp_auth', 'user:' || NEW.username);
  RETURN NULL;
END $$;

-- One word for each of a few, one for all of many.
CREATE FUNCTION mcp_rows_gone() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('mcp_auth', '*');
  ELSIF current_setting('mcp.sweeps', true) = 'on' THEN
    -- What is over ends nothing, and is over by its own record on every server.
    NULL;
  ELSIF (SELECT count(*) FROM gone) > 64 THEN
    PERFORM pg_notify('mcp_auth', '*');
  ELSIF TG_TABLE_NAME = 'mcp_tokens' THEN
    PERFORM pg_notify('mcp_auth', 'token:' || (to_jsonb(gone) ->> 'id')) FROM gone;
  ELSE
    PERFORM pg_notify('mcp_auth', 'session:' || (to_jsonb(gone) ->> 'public_id')) FROM gone
    WHERE to_jsonb(gone) ->> 'public_id' IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION mcp_row_made() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_TABLE_NAME = 'mcp_tokens' THEN
    PERFORM pg_notify('mcp_auth', 'token:' || (to_jsonb(NEW) ->> 'id'));
  ELSE
    -- By the name that it had, too: under that, it is no more.
    PERFORM pg_notify('mcp_auth', 'session:' || name)
    FROM (VALUES (to_jsonb(NEW) ->> 'public_id'), (to_jsonb(OLD) ->> 'public_id')) AS known (name)
    WHERE name IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER users_sync BEFORE INSERT OR UPDATE OF
  username, email, password_hash, annotation, roles, active, is_active, is_admin, databases,
  db_role, read_only, created_at
  ON users FOR EACH ROW EXECUTE FUNCTION users_sync();
CREATE TRIGGER mcp_users_changed AFTER INSERT OR DELETE OR UPDATE OF
  username, email, password_hash, annotation, roles, active, is_active, is_admin, databases,
  db_role, read_only, created_at
  ON users FOR EACH ROW EXECUTE FUNCTION mcp_users_changed();
CREATE TRIGGER mcp_users_emptied AFTER TRUNCATE ON users
  FOR EACH STATEMENT EXECUTE FUNCTION mcp_rows_gone();

CREATE TRIGGER mcp_session_made AFTER INSERT OR UPDATE OF user_id, token_jti, public_id, expires_at
  ON user_sessions FOR EACH ROW EXECUTE FUNCTION mcp_row_made();
CREATE TRIGGER mcp_sessions_gone AFTER DELETE ON user_sessions
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION mcp_rows_gone();
CREATE TRIGGER mcp_sessions_emptied AFTER TRUNCATE ON user_sessions
  FOR EACH STATEMENT EXECUTE FUNCTION mcp_rows_gone();

CREATE TRIGGER mcp_token_made AFTER INSERT OR UPDATE ON mcp_tokens
  FOR EACH ROW EXECUTE FUNCTION mcp_row_made();
CREATE TRIGGER mcp_tokens_gone AFTER DELETE ON mcp_tokens
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION mcp_rows_gone();
CREATE TRIGGER mcp_tokens_emptied AFTER TRUNCATE ON mcp_tokens
  FOR EACH STATEMENT EXECUTE FUNCTION mcp_rows_gone();

-- The rule of mcp_throttle::Lockout. Whoever applies it has locked the row; times are the
-- caller's, lengths are microseconds, and NULL for `most` or `lasts` is "never" or "for ever".
CREATE FUNCTION mcp_lock_end(lasts bigint, instant timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN lasts IS NULL THEN 'infinity' ELSE instant + lasts * interval '1 microsecond' END
$$;

-- What has ended is forgotten, and no lock lasts longer than the policy says.
CREATE FUNCTION mcp_lockout_at(kept users, lasts bigint, holds bigint, instant timestamptz)
RETURNS users LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  hold interval := holds * interval '1 microsecond';
BEGIN
  kept.reserved := ARRAY(SELECT taken FROM unnest(kept.reserved) AS taken
                         WHERE taken > instant - hold AND taken < instant + hold);
  kept.failed_login_attempts := greatest(kept.failed_login_attempts, 0);
  IF kept.locked_until IS NOT NULL THEN
    kept.locked_until := least(kept.locked_until, mcp_lock_end(lasts, instant));
    IF kept.locked_until <= instant THEN
      kept.locked_until := NULL;
      kept.failed_login_attempts := 0;
      kept.last_failed_at := NULL;
    END IF;
  END IF;
  RETURN kept;
END $$;

CREATE FUNCTION mcp_keep_lockout(kept users) RETURNS void LANGUAGE sql AS $$
  UPDATE users SET failed_login_attempts = kept.failed_login_attempts, last_failed_at = kept.last_failed_at,
                   locked_until = kept.locked_until, reserved = kept.reserved
  WHERE id = kept.id
    AND (failed_login_attempts, last_failed_at, locked_until, reserved)
        IS DISTINCT FROM (kept.failed_login_attempts, kept.last_failed_at, kept.locked_until, kept.reserved)
$$;

-- Lockout::reserve.
CREATE FUNCTION mcp_take_place(
  INOUT kept users, most bigint, lasts bigint, holds bigint, instant timestamptz,
  OUT verdict text, OUT moment timestamptz) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  kept := mcp_lockout_at(kept, lasts, holds, instant);
  moment := instant;
  IF kept.locked_until IS NOT NULL THEN
    verdict := 'locked';
    moment := kept.locked_until;
  ELSIF most IS NULL THEN
    verdict := 'reserved';
  -- One place is left to an open account, however many failures it has.
  ELSIF cardinality(kept.reserved) < most - least(kept.failed_login_attempts, most - 1) THEN
    WHILE moment = ANY (kept.reserved) LOOP moment := moment + interval '1 microsecond'; END LOOP;
    kept.reserved := kept.reserved || moment;
    verdict := 'reserved';
  ELSE
    verdict := 'wait';
  END IF;
END $$;

-- Lockout::failed.
CREATE FUNCTION mcp_take_failure(
  INOUT kept users, ticket timestamptz, most bigint, lasts bigint, holds bigint, instant timestamptz,
  OUT outcome text, OUT failures integer, OUT lock timestamptz) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  outcome := 'ignored';
  kept.reserved := array_remove(kept.reserved, ticket);
  kept := mcp_lockout_at(kept, lasts, holds, instant);
  IF most IS NOT NULL AND kept.locked_until IS NULL THEN
    failures := least(kept.failed_login_attempts, 2147483646) + 1;
    kept.failed_login_attempts := failures;
    kept.last_failed_at := instant;
    outcome := 'counted';
    IF failures >= most THEN
      lock := mcp_lock_end(lasts, instant);
      kept.locked_until := lock;
      outcome := 'locks';
    END IF;
  END IF;
END $$;

-- A place of an account. No row: nobody has this name. The account is given as it was before.
CREATE FUNCTION mcp_find_login(wanted text, most bigint, lasts bigint, holds bigint, instant timestamptz)
RETURNS TABLE (account users, verdict text, moment timestamptz) LANGUAGE plpgsql AS $$
DECLARE
  taken record;
BEGIN
  SELECT * INTO account FROM users WHERE name_key = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT * INTO taken FROM mcp_take_place(account, most, lasts, holds, instant);
  verdict := taken.verdict;
  moment := taken.moment;
  -- A place need not survive a crash: who held it did not either.
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM mcp_keep_lockout(taken.kept);
  RETURN NEXT;
END $$;

CREATE FUNCTION mcp_fail_login(
  wanted text, made timestamptz, ticket timestamptz,
  most bigint, lasts bigint, holds bigint, instant timestamptz)
RETURNS TABLE (outcome text, failures integer, lock timestamptz) LANGUAGE plpgsql AS $$
DECLARE
  kept users;
  taken record;
BEGIN
  outcome := 'ignored';
  SELECT * INTO kept FROM users WHERE name_key = wanted FOR NO KEY UPDATE;
  -- Another account under the same name: the failure is none of its own.
  IF NOT FOUND OR kept.created_at <> made THEN RETURN NEXT; RETURN; END IF;
  SELECT * INTO taken FROM mcp_take_failure(kept, ticket, most, lasts, holds, instant);
  PERFORM mcp_keep_lockout(taken.kept);
  RETURN QUERY SELECT taken.outcome, taken.failures, taken.lock;
END $$;

CREATE FUNCTION mcp_withdraw_login(wanted text, made timestamptz, ticket timestamptz) RETURNS void LANGUAGE sql AS $$
  UPDATE users SET reserved = array_remove(reserved, ticket)
  WHERE name_key = wanted AND created_at = made AND ticket = ANY (reserved)
$$;

-- Lifts a lock and forgets failures. NULL: nobody has this name; else whether there was anything.
CREATE FUNCTION mcp_unlock(wanted text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  kept users;
  had boolean;
BEGIN
  SELECT * INTO kept FROM users WHERE name_key = wanted FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  had := kept.locked_until IS NOT NULL OR kept.failed_login_attempts > 0;
  kept.failed_login_attempts := 0;
  kept.last_failed_at := NULL;
  kept.locked_until := NULL;
  PERFORM mcp_keep_lockout(kept);
  PERFORM pg_notify('mcp_auth', 'user:' || kept.username);
  RETURN had;
END $$;

-- Lockout::succeeded, the last login, a stronger hash, room for the session and the session, in one.
CREATE FUNCTION mcp_open_session(
  wanted text, made timestamptz, checked text, stronger text, ticket timestamptz,
  lasts bigint, holds bigint, room bigint, instant timestamptz,
  session text, token text, begins timestamptz, ends timestamptz, used timestamptz, address text, agent text, scope text)
RETURNS TABLE (outcome text, lock timestamptz, ended text[]) LANGUAGE plpgsql AS $$
DECLARE
  kept users;
  enters boolean;
BEGIN
  outcome := 'changed';
  SELECT * INTO kept FROM users WHERE name_key = wanted FOR NO KEY UPDATE;
  -- Another account under the same name: its places are not the ticket's.
  IF NOT FOUND OR kept.created_at <> made THEN RETURN NEXT; RETURN; END IF;
  enters := kept.active AND kept.password_hash = checked;
  kept.reserved := array_remove(kept.reserved, ticket);
  IF enters THEN
    kept := mcp_lockout_at(kept, lasts, holds, instant);
    IF kept.locked_until IS NOT NULL THEN
      outcome := 'locked';
      lock := kept.locked_until;
      enters := false;
    ELSE
      kept.failed_login_attempts := 0;
      kept.last_failed_at := NULL;
    END IF;
  END IF;
  PERFORM mcp_keep_lockout(kept);
  IF NOT enters THEN RETURN NEXT; RETURN; END IF;

  UPDATE users SET last_login_at = instant WHERE id = kept.id;
  IF stronger IS NOT NULL THEN
    PERFORM set_config('mcp.rehash', 'on', true), set_config('mcp.keeps_sessions', 'on', true);
    UPDATE users SET password_hash = stronger WHERE id = kept.id;
    PERFORM set_config('mcp.rehash', '', true), set_config('mcp.keeps_sessions', '', true);
  END IF;
  IF room > 0 THEN
    WITH open AS (
      SELECT id, row_number() OVER (ORDER BY last_used_at DESC, id DESC) AS place FROM user_sessions
      WHERE user_id = kept.id AND public_id IS NOT NULL AND expires_at > instant
    ), gone AS (
      DELETE FROM user_sessions WHERE id IN (SELECT id FROM open WHERE place >= room) RETURNING public_id
    )
    SELECT array_agg(public_id) INTO ended FROM gone;
  END IF;
  INSERT INTO user_sessions
    (user_id, token_jti, public_id, expires_at, created_at, last_used_at, ip_address, user_agent, scope)
  VALUES (kept.id, token, session, ends, begins, used, address, agent, mcp_open_session.scope);
  outcome := 'opened';
  RETURN NEXT;
END $$;

-- What happened to credentials and accounts. No row names a name that is no account's.
CREATE TABLE auth_events (
  id BIGSERIAL PRIMARY KEY,
  ts TIMESTAMPTZ NOT NULL DEFAULT now(),
  user_id BIGINT,
  login_hint VARCHAR(255),
  event_type VARCHAR(50) NOT NULL,
  success BOOLEAN NOT NULL,
  ip_address VARCHAR(45),
  user_agent TEXT,
  failure_reason VARCHAR(255),
  -- The line as the audit log of one server has it in its file.
  details JSONB,
  -- Of rows that a server wrote: which server, and its how manieth. Written twice, it is one row.
  written_as VARCHAR(64) UNIQUE
);
CREATE INDEX idx_ae_ts ON auth_events (ts);
CREATE INDEX idx_ae_user ON auth_events (user_id, ts);

-- One writer at a time (the letters of mcpaudit), so that rows are seen in the order of their
-- numbers: whoever follows the log by them misses none.
CREATE FUNCTION mcp_write_events(lines jsonb[], keys text[], names text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7882267336712153460);
  INSERT INTO auth_events
    (ts, user_id, login_hint, event_type, success, ip_address, user_agent, failure_reason, details, written_as)
  SELECT (line ->> 'time')::timestamptz, users.id, line ->> 'user', line ->> 'action',
         line ->> 'outcome' = 'done', line ->> 'address', line ->> 'agent', line ->> 'reason', line, name
  FROM unnest(lines, keys, names) WITH ORDINALITY AS given (line, key, name, place)
  LEFT JOIN users ON users.name_key = given.key
  ORDER BY place
  ON CONFLICT (written_as) DO NOTHING;
END $$;

-- Which release wrote this, and the oldest one that can work with it.
CREATE TABLE mcp_schema (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  version INTEGER NOT NULL,
  min_reader INTEGER NOT NULL
);
INSERT INTO mcp_schema (version, min_reader) VALUES (1, 1);
