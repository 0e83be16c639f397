-- Links for a new password, and letters to be sent.

-- Where another system had such a table, its rows stay and open nothing: they have no seal.
CREATE TABLE IF NOT EXISTS password_reset_tokens (
  id BIGSERIAL PRIMARY KEY,
  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  -- SHA-256 of the secret in hex, never the secret.
  token VARCHAR(255) NOT NULL UNIQUE,
  expires_at TIMESTAMPTZ NOT NULL,
  used BOOLEAN NOT NULL DEFAULT false,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
ALTER TABLE password_reset_tokens
  -- The password and the address of the account as they were when it was minted, hashed.
  ADD COLUMN seal VARCHAR(64),
  ADD COLUMN IF NOT EXISTS used_at TIMESTAMPTZ,
  ALTER COLUMN expires_at TYPE TIMESTAMPTZ USING expires_at AT TIME ZONE current_setting('TimeZone'),
  ALTER COLUMN created_at TYPE TIMESTAMPTZ USING created_at AT TIME ZONE current_setting('TimeZone'),
  ALTER COLUMN created_at SET DEFAULT now();
UPDATE password_reset_tokens SET used = true WHERE used IS NULL;
ALTER TABLE password_reset_tokens ALTER COLUMN used SET DEFAULT false, ALTER COLUMN used SET NOT NULL;
CREATE UNIQUE INDEX uq_prt_token ON password_reset_tokens (token);
CREATE INDEX IF NOT EXISTS idx_prt_user ON password_reset_tokens (user_id);
CREATE INDEX IF NOT EXISTS idx_prt_exp ON password_reset_tokens (expires_at);
-- Deleting an account ends its links, whatever the table said before.
DO $$
DECLARE
  tie record;
BEGIN
  FOR tie IN
    SELECT conname FROM pg_constraint
    WHERE contype = 'f' AND confrelid = 'users'::regclass AND confdeltype <> 'c'
      AND conrelid = 'password_reset_tokens'::regclass
  LOOP
    EXECUTE format('ALTER TABLE password_reset_tokens DROP CONSTRAINT %I', tie.conname);
    EXECUTE format('ALTER TABLE password_reset_tokens ADD CONSTRAINT %I FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE',
                   tie.conname);
  END LOOP;
END $$;

CREATE TABLE mcp_letters (
  id BIGSERIAL PRIMARY KEY,
  kind VARCHAR(32) NOT NULL,
  -- An address, or the name of an account.
  whom TEXT NOT NULL,
  asked_at TIMESTAMPTZ NOT NULL,
  -- Or the end of the time of whoever took it.
  due_at TIMESTAMPTZ NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX idx_mcp_letters_due ON mcp_letters (due_at, id);

-- What a link is tied to.
CREATE FUNCTION mcp_reset_seal(kept users) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT encode(sha256(convert_to(kept.password_hash || chr(10) || coalesce(kept.email, ''), 'UTF8')), 'hex')
$$;

-- Keeps word of a letter. False: too many wait.
CREATE FUNCTION mcp_ask_letter(about text, recipient text, instant timestamptz, most bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mcp_letters (kind, whom, asked_at, due_at)
  SELECT about, recipient, instant, instant
  WHERE (SELECT count(*) FROM (SELECT FROM mcp_letters LIMIT most) AS waiting) < most;
  RETURN FOUND;
END $$;

-- Keeps a new link of whoever has this name or this address, and voids those that he had. No row:
-- nobody has, or he is disabled. What was over long before is forgotten by the way.
CREATE FUNCTION mcp_mint_reset(
  name_wanted text, email_wanted text, secret text, begins timestamptz, ends timestamptz, forgotten timestamptz)
RETURNS SETOF users LANGUAGE plpgsql AS $$
DECLARE
  kept users;
BEGIN
  SELECT * INTO kept FROM users
  WHERE (name_key = name_wanted OR email_key = email_wanted) AND active FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  DELETE FROM password_reset_tokens WHERE user_id = kept.id AND NOT used;
  DELETE FROM password_reset_tokens WHERE id IN (
    SELECT id FROM password_reset_tokens WHERE expires_at <= forgotten LIMIT 500 FOR UPDATE SKIP LOCKED);
  INSERT INTO password_reset_tokens (user_id, token, created_at, expires_at, seal)
  VALUES (kept.id, secret, begins, ends, mcp_reset_seal(kept));
  RETURN NEXT kept;
END $$;

-- Spends a link. The account is locked first, as by everybody who changes it; then one conditional
-- update decides.
CREATE FUNCTION mcp_spend_reset(
  secret text, sets text, instant timestamptz, ends_sessions boolean, confirms boolean, most bigint,
  keeps bigint, checked text)
RETURNS TABLE (account users, outcome text, ended text[]) LANGUAGE plpgsql AS $$
DECLARE
  kept users;
BEGIN
  outcome := 'invalid';
  SELECT u.* INTO kept FROM users u JOIN password_reset_tokens t ON t.user_id = u.id
  WHERE t.token = secret AND u.active FOR NO KEY UPDATE OF u;
  IF NOT FOUND THEN RETURN NEXT; RETURN; END IF;
  UPDATE password_reset_tokens SET used = true, used_at = instant
  WHERE token = secret AND NOT used AND expires_at > instant AND seal = mcp_reset_seal(kept)
    AND (checked IS NULL OR kept.password_hash = checked);
  IF NOT FOUND THEN
    SELECT CASE WHEN expires_at <= instant THEN 'expired' ELSE 'changed' END INTO outcome
    FROM password_reset_tokens WHERE token = secret AND NOT used AND seal = mcp_reset_seal(kept);
    outcome := coalesce(outcome, 'invalid');
    RETURN NEXT;
    RETURN;
  END IF;
  PERFORM mcp_keep_past(kept.name_key, NULL, sets, keeps);
  PERFORM set_config('mcp.keeps_sessions', 'on', true);
  UPDATE users SET password_hash = sets, password_change_required = false, failed_login_attempts = 0,
                   last_failed_at = NULL, locked_until = NULL
  WHERE id = kept.id RETURNING * INTO account;
  PERFORM set_config('mcp.keeps_sessions', '', true);
  IF ends_sessions THEN
    WITH gone AS (DELETE FROM user_sessions WHERE user_id = kept.id RETURNING public_id)
    SELECT array_agg(public_id) INTO ended FROM gone WHERE public_id IS NOT NULL;
  END IF;
  IF confirms THEN
    -- A link is spent, whether or not there is room for word of it.
    PERFORM mcp_ask_letter('password_reset', kept.username, instant, most);
  END IF;
  outcome := 'spent';
  RETURN NEXT;
END $$;
