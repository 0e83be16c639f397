-- From the table with a number as its primary key, which knows neither roles nor locks.
ALTER TABLE users
  ADD COLUMN name_key TEXT,
  ADD COLUMN email_key TEXT,
  ADD COLUMN full_name VARCHAR(255),
  ADD COLUMN annotation TEXT NOT NULL DEFAULT '',
  ADD COLUMN roles JSONB NOT NULL DEFAULT '[]'::jsonb,
  ADD COLUMN active BOOLEAN NOT NULL DEFAULT true,
  ADD COLUMN databases JSONB,
  ADD COLUMN db_role VARCHAR(63),
  ADD COLUMN read_only BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN email_verified_at TIMESTAMPTZ,
  ADD COLUMN password_change_required BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN password_changed_at TIMESTAMPTZ DEFAULT now(),
  ADD COLUMN failed_login_attempts INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN last_failed_at TIMESTAMPTZ,
  ADD COLUMN locked_until TIMESTAMPTZ,
  ADD COLUMN reserved TIMESTAMPTZ[] NOT NULL DEFAULT '{}',
  ALTER COLUMN email DROP NOT NULL;
-- What is not said is not granted.
UPDATE users SET
  is_active = coalesce(is_active, false),
  active = coalesce(is_active, false),
  is_admin = coalesce(is_admin, false),
  roles = CASE WHEN is_admin THEN '["admin"]'::jsonb ELSE '[]'::jsonb END,
  created_at = coalesce(created_at, CURRENT_TIMESTAMP),
  updated_at = coalesce(updated_at, CURRENT_TIMESTAMP),
  metadata = coalesce(metadata, '{}'::jsonb);
ALTER TABLE users
  ALTER COLUMN is_active SET DEFAULT true, ALTER COLUMN is_active SET NOT NULL,
  ALTER COLUMN is_admin SET DEFAULT false, ALTER COLUMN is_admin SET NOT NULL,
  ALTER COLUMN created_at SET DEFAULT CURRENT_TIMESTAMP, ALTER COLUMN created_at SET NOT NULL,
  ALTER COLUMN updated_at SET DEFAULT CURRENT_TIMESTAMP, ALTER COLUMN updated_at SET NOT NULL,
  ALTER COLUMN metadata SET DEFAULT '{}'::jsonb, ALTER COLUMN metadata SET NOT NULL;
CREATE INDEX IF NOT EXISTS idx_users_active ON users (active) WHERE active = true;
CREATE INDEX IF NOT EXISTS idx_users_locked ON users (locked_until) WHERE locked_until IS NOT NULL;
