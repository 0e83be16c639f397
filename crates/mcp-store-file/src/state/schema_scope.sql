-- What a session opens: `full`, or `password_change` for whoever must change his password first.
ALTER TABLE session ADD COLUMN scope TEXT NOT NULL DEFAULT 'full';
