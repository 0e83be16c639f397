-- From the table that tracks the sessions of another system. Its rows stay, open nothing here, and
-- are swept when they expire.
ALTER TABLE user_sessions
  ADD COLUMN public_id VARCHAR(16) UNIQUE,
  ADD COLUMN scope VARCHAR(16) NOT NULL DEFAULT 'full';
UPDATE user_sessions SET
  created_at = coalesce(created_at, CURRENT_TIMESTAMP),
  last_used_at = coalesce(last_used_at, created_at, CURRENT_TIMESTAMP);
ALTER TABLE user_sessions
  ALTER COLUMN created_at SET DEFAULT now(), ALTER COLUMN created_at SET NOT NULL,
  ALTER COLUMN last_used_at SET DEFAULT now(), ALTER COLUMN last_used_at SET NOT NULL;
-- Deleting an account ends what is kept of it, whatever the tables said before.
DO $$
DECLARE
  tie record;
BEGIN
  FOR tie IN
    SELECT conrelid::regclass AS owner, conname FROM pg_constraint
    WHERE contype = 'f' AND confrelid = 'users'::regclass AND confdeltype <> 'c'
      AND conrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
                       AND relname IN ('user_sessions', 'password_reset_tokens'))
  LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', tie.owner, tie.conname);
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE',
                   tie.owner, tie.conname);
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass
                 AND conrelid = 'user_sessions'::regclass) THEN
    ALTER TABLE user_sessions
      ADD CONSTRAINT user_sessions_of_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
  END IF;
END $$;
