-- Hashes of the passwords that an account had before. Empty unless the policy remembers.
CREATE TABLE password_history (
  -- In the order in which they went.
  id BIGSERIAL PRIMARY KEY,
  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  password_hash VARCHAR(255) NOT NULL,
  changed_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX idx_ph_user ON password_history (user_id, id);

-- Before a password is set: remembers the one that goes, and of those before it so many in all.
-- Nothing is done where nothing will be set, because the account has another hash than `checked`,
-- or this one already. The account stays locked, as by everybody who changes it.
CREATE FUNCTION mcp_keep_past(wanted text, checked text, sets text, most bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  kept users;
BEGIN
  SELECT * INTO kept FROM users
  WHERE name_key = wanted AND (checked IS NULL OR password_hash = checked) FOR NO KEY UPDATE;
  IF NOT FOUND OR kept.password_hash = sets THEN RETURN; END IF;
  IF most > 0 THEN
    INSERT INTO password_history (user_id, password_hash) VALUES (kept.id, kept.password_hash);
  END IF;
  DELETE FROM password_history WHERE user_id = kept.id AND id NOT IN (
    SELECT id FROM password_history WHERE user_id = kept.id ORDER BY id DESC LIMIT most);
END $$;
