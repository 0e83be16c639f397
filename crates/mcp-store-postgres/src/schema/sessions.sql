-- Sessions, where there is no table of them.
CREATE TABLE user_sessions (
  id BIGSERIAL PRIMARY KEY,
  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  -- SHA-256 of the token in hex, never the token.
  token_jti VARCHAR(255) NOT NULL,
  -- The public name of a session. Rows without one were written by another system, and open nothing.
  public_id VARCHAR(16) UNIQUE,
  expires_at TIMESTAMPTZ NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  last_used_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  ip_address VARCHAR(45),
  user_agent TEXT,
  -- What it opens: everything, or the change of its user's password alone.
  scope VARCHAR(16) NOT NULL DEFAULT 'full'
);
