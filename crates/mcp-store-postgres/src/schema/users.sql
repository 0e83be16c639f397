-- The table of accounts, where there is none.
CREATE TABLE users (
  id BIGSERIAL PRIMARY KEY,
  username VARCHAR(255) NOT NULL UNIQUE,
  -- What names are compared by: NFKC in lower case. The trigger fills it in for rows written by hand.
  name_key TEXT NOT NULL,
  email VARCHAR(255) UNIQUE,
  email_key TEXT,
  full_name VARCHAR(255),
  annotation TEXT NOT NULL DEFAULT '',
  password_hash VARCHAR(255) NOT NULL,
  roles JSONB NOT NULL DEFAULT '[]'::jsonb,
  -- Two spellings of one thing, kept equal by the trigger; so are is_admin and roles ? 'admin'.
  active BOOLEAN NOT NULL DEFAULT true,
  is_active BOOLEAN NOT NULL DEFAULT true,
  is_admin BOOLEAN NOT NULL DEFAULT false,
  -- NULL: every database that is open to accounts.
  databases JSONB,
  db_role VARCHAR(63),
  read_only BOOLEAN NOT NULL DEFAULT false,
  email_verified_at TIMESTAMPTZ,
  password_change_required BOOLEAN NOT NULL DEFAULT false,
  password_changed_at TIMESTAMPTZ DEFAULT now(),
  failed_login_attempts INTEGER NOT NULL DEFAULT 0,
  last_failed_at TIMESTAMPTZ,
  -- 'infinity': until an admin unlocks.
  locked_until TIMESTAMPTZ,
  -- The places of attempts in flight, each named by the time at which it was taken.
  reserved TIMESTAMPTZ[] NOT NULL DEFAULT '{}',
  created_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
  last_login_at TIMESTAMPTZ,
  metadata JSONB NOT NULL DEFAULT '{}'::jsonb
);
CREATE INDEX idx_users_active ON users (active) WHERE active = true;
CREATE INDEX idx_users_locked ON users (locked_until) WHERE locked_until IS NOT NULL;
