-- From the table whose primary key is the user name: it stays the primary key.
ALTER TABLE users
  ADD COLUMN id BIGSERIAL NOT NULL UNIQUE,
  ADD COLUMN name_key TEXT,
  ADD COLUMN email VARCHAR(255) UNIQUE,
  ADD COLUMN email_key TEXT,
  ADD COLUMN full_name VARCHAR(255),
  ADD COLUMN annotation TEXT NOT NULL DEFAULT '',
  ADD COLUMN is_active BOOLEAN NOT NULL DEFAULT true,
  ADD COLUMN is_admin BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN databases JSONB,
  ADD COLUMN db_role VARCHAR(63),
  ADD COLUMN read_only BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN email_verified_at TIMESTAMPTZ,
  ADD COLUMN password_change_required BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN password_changed_at TIMESTAMPTZ DEFAULT now(),
  ADD COLUMN last_failed_at TIMESTAMPTZ,
  ADD COLUMN reserved TIMESTAMPTZ[] NOT NULL DEFAULT '{}',
  ADD COLUMN metadata JSONB NOT NULL DEFAULT '{}'::jsonb;
UPDATE users SET is_active = active, is_admin = roles ? 'admin';
CREATE INDEX IF NOT EXISTS idx_users_active ON users (active) WHERE active = true;
CREATE INDEX IF NOT EXISTS idx_users_locked ON users (locked_until) WHERE locked_until IS NOT NULL;
