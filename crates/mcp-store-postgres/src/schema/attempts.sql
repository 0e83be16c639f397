-- What servers have in common of attempts to log in, beside the accounts: failures of addresses, and
-- locks of names that nobody has. None of it is worth a line in the write-ahead log: it is over in
-- minutes, no backup should hold it, and a crash of the database forgives.

CREATE UNLOGGED TABLE mcp_addresses (
  -- An address of IPv4, or a network of IPv6 and /64.
  address VARCHAR(64) PRIMARY KEY,
  -- When there were failures, oldest first, and how many at each of these times.
  failed_at TIMESTAMPTZ[] NOT NULL DEFAULT '{}',
  failures INTEGER[] NOT NULL DEFAULT '{}',
  -- The places held, each named by the time it was taken.
  reserved TIMESTAMPTZ[] NOT NULL DEFAULT '{}',
  -- Until then no attempt is looked at; NULL: one is.
  refused_until TIMESTAMPTZ,
  -- From then on the row says nothing.
  over_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

CREATE UNLOGGED TABLE mcp_nobody (
  -- Of what was typed, keyed.
  digest BYTEA PRIMARY KEY,
  failed_login_attempts INTEGER NOT NULL DEFAULT 0,
  last_failed_at TIMESTAMPTZ,
  locked_until TIMESTAMPTZ,
  reserved TIMESTAMPTZ[] NOT NULL DEFAULT '{}',
  over_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- The key of these digests. It goes where they go, and is made anew after.
CREATE UNLOGGED TABLE mcp_nobody_key (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  key BYTEA NOT NULL
);

CREATE FUNCTION mcp_nobody_digest(given bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
  found_key bytea;
BEGIN
  SELECT key INTO found_key FROM mcp_nobody_key;
  IF NOT FOUND THEN
    INSERT INTO mcp_nobody_key (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    ON CONFLICT DO NOTHING;
    SELECT key INTO found_key FROM mcp_nobody_key;
  END IF;
  RETURN sha256(found_key || given);
END $$;

-- The rule of mcp_throttle::RateLimiter. Whoever applies it has locked the row; times are the
-- caller's, lengths are microseconds. `most` failures within `spans` refuse the next attempt.

-- Up to 32 failures each keep their own time; more share so many slices of the window, and count
-- until the last moment of their slice has left.
CREATE FUNCTION mcp_address_slice(most bigint, spans bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN most <= 32 THEN 1 ELSE greatest((spans + 31) / 32, 1) END
$$;

-- What has left the window is forgotten. Of a clock that was set back by more than the clocks of
-- servers differ, nothing lasts longer than the window from then on.
CREATE FUNCTION mcp_address_at(kept mcp_addresses, most bigint, spans bigint, holds bigint, instant timestamptz)
RETURNS mcp_addresses LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  span interval := spans * interval '1 microsecond';
  hold interval := holds * interval '1 microsecond';
  latest timestamptz :=
    instant + mcp_address_slice(most, spans) * interval '1 microsecond' + interval '1 minute';
BEGIN
  kept.reserved := ARRAY(SELECT taken FROM unnest(kept.reserved) AS taken
                         WHERE taken > instant - hold AND taken < instant + hold);
  IF cardinality(kept.failed_at) > 0 THEN
    SELECT coalesce(array_agg(at ORDER BY at), '{}'), coalesce(array_agg(number ORDER BY at), '{}')
    INTO kept.failed_at, kept.failures
    FROM (SELECT CASE WHEN at > latest THEN instant ELSE at END AS at, coalesce(number, 1) AS number
          FROM unnest(kept.failed_at, kept.failures) AS failed (at, number)) AS failed
    WHERE at + span > instant;
  END IF;
  RETURN kept;
END $$;

CREATE FUNCTION mcp_address_failures(kept mcp_addresses) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(sum(number), 0) FROM unnest(kept.failures) AS number
$$;

-- When so many failures will have left that one more attempt is possible; NULL if it is.
CREATE FUNCTION mcp_address_refused_until(kept mcp_addresses, most bigint, spans bigint)
RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT min(at) + spans * interval '1 microsecond'
  FROM (SELECT at, sum(number) OVER (ORDER BY at) AS gone, sum(number) OVER () AS every
        FROM unnest(kept.failed_at, kept.failures) AS failed (at, number)) AS failed
  WHERE every >= most AND gone > every - most
$$;

CREATE FUNCTION mcp_lock_address(who text, instant timestamptz) RETURNS mcp_addresses LANGUAGE plpgsql AS $$
DECLARE
  kept mcp_addresses;
BEGIN
  -- A failure forgotten in a crash is forgiven with the rest.
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO kept FROM mcp_addresses WHERE address = who FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    INSERT INTO mcp_addresses (address, over_at) VALUES (who, instant)
    ON CONFLICT (address) DO UPDATE SET over_at = mcp_addresses.over_at
    RETURNING * INTO kept;
  END IF;
  RETURN kept;
END $$;

CREATE FUNCTION mcp_keep_address(kept mcp_addresses, most bigint, spans bigint, holds bigint)
RETURNS void LANGUAGE sql AS $$
  UPDATE mcp_addresses
  SET failed_at = kept.failed_at, failures = kept.failures, reserved = kept.reserved,
      refused_until = mcp_address_refused_until(kept, most, spans),
      over_at = greatest(
        kept.failed_at[cardinality(kept.failed_at)] + spans * interval '1 microsecond',
        (SELECT max(taken) FROM unnest(kept.reserved) AS taken) + holds * interval '1 microsecond',
        '-infinity')
  WHERE address = kept.address
$$;

-- RateLimiter::reserve.
CREATE FUNCTION mcp_take_address(
  who text, most bigint, spans bigint, holds bigint, instant timestamptz,
  OUT admitted text, OUT moment timestamptz) LANGUAGE plpgsql AS $$
DECLARE
  before mcp_addresses := mcp_lock_address(who, instant);
  kept mcp_addresses := mcp_address_at(before, most, spans, holds, instant);
BEGIN
  moment := mcp_address_refused_until(kept, most, spans);
  IF moment IS NOT NULL THEN
    admitted := 'refused';
  ELSIF cardinality(kept.reserved) >= most - mcp_address_failures(kept) THEN
    admitted := 'wait';
  ELSE
    admitted := 'reserved';
    moment := instant;
    WHILE moment = ANY (kept.reserved) LOOP moment := moment + interval '1 microsecond'; END LOOP;
    kept.reserved := kept.reserved || moment;
  END IF;
  -- Also where nothing was taken: an end that was brought forward stays where it is.
  IF (kept.failed_at, kept.failures, kept.reserved)
     IS DISTINCT FROM (before.failed_at, before.failures, before.reserved) THEN
    PERFORM mcp_keep_address(kept, most, spans, holds);
  END IF;
END $$;

-- Guess::was_wrong; also for a place that is void by now: it was evaluated. Of one that was
-- abandoned (`only_held`), a place that is settled already is not counted again.
CREATE FUNCTION mcp_fail_address(
  who text, place timestamptz, most bigint, spans bigint, holds bigint, instant timestamptz,
  only_held boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  kept mcp_addresses := mcp_lock_address(who, instant);
  slice bigint := mcp_address_slice(most, spans);
  at timestamptz := 'epoch'::timestamptz
    + ceil(extract(epoch FROM instant)::numeric * 1000000 / slice) * slice * interval '1 microsecond';
  newest integer;
BEGIN
  IF only_held AND place <> ALL (kept.reserved) THEN RETURN; END IF;
  kept := mcp_address_at(kept, most, spans, holds, instant);
  kept.reserved := array_remove(kept.reserved, place);
  newest := cardinality(kept.failed_at);
  IF newest > 0 AND kept.failed_at[newest] >= at THEN
    kept.failures[newest] := least(kept.failures[newest], 2147483646) + 1;
  ELSE
    kept.failed_at := kept.failed_at || at;
    kept.failures := kept.failures || 1;
  END IF;
  PERFORM mcp_keep_address(kept, most, spans, holds);
END $$;

-- RateLimiter::count. NULL: it is counted, or places of others stand against it.
CREATE FUNCTION mcp_count_address(who text, most bigint, spans bigint, holds bigint, instant timestamptz)
RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  taken record;
BEGIN
  SELECT * INTO taken FROM mcp_take_address(who, most, spans, holds, instant);
  IF taken.admitted = 'reserved' THEN
    PERFORM mcp_fail_address(who, taken.moment, most, spans, holds, instant);
  END IF;
  RETURN CASE taken.admitted
    WHEN 'refused' THEN taken.moment
    -- As soon as can be said.
    WHEN 'wait' THEN instant
  END;
END $$;

CREATE FUNCTION mcp_look_at_address(who text, most bigint, spans bigint, holds bigint, instant timestamptz)
RETURNS timestamptz LANGUAGE sql AS $$
  SELECT mcp_address_refused_until(mcp_address_at(kept, most, spans, holds, instant), most, spans)
  FROM mcp_addresses AS kept WHERE address = who
$$;

CREATE FUNCTION mcp_free_address(who text, place timestamptz) RETURNS void LANGUAGE sql AS $$
  UPDATE mcp_addresses SET reserved = array_remove(reserved, place)
  WHERE address = who AND place = ANY (reserved)
$$;

-- The lockout of a name that nobody has, as of an account of which nothing else is known.
CREATE FUNCTION mcp_lock_nobody(who bytea, instant timestamptz) RETURNS users LANGUAGE plpgsql AS $$
DECLARE
  found_row mcp_nobody;
  kept users;
BEGIN
  SELECT * INTO found_row FROM mcp_nobody WHERE digest = who FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    INSERT INTO mcp_nobody (digest, over_at) VALUES (who, instant)
    ON CONFLICT (digest) DO UPDATE SET over_at = mcp_nobody.over_at
    RETURNING * INTO found_row;
  END IF;
  kept.failed_login_attempts := found_row.failed_login_attempts;
  kept.last_failed_at := found_row.last_failed_at;
  kept.locked_until := found_row.locked_until;
  kept.reserved := found_row.reserved;
  RETURN kept;
END $$;

-- Failures that lock nothing end by nothing; a row of these goes when there are too many.
CREATE FUNCTION mcp_keep_nobody(who bytea, kept users, holds bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE mcp_nobody
  SET failed_login_attempts = kept.failed_login_attempts, last_failed_at = kept.last_failed_at,
      locked_until = kept.locked_until, reserved = kept.reserved,
      over_at = greatest(
        CASE WHEN kept.locked_until IS NOT NULL THEN kept.locked_until
             WHEN kept.failed_login_attempts > 0 THEN 'infinity' END,
        (SELECT max(taken) FROM unnest(kept.reserved) AS taken) + holds * interval '1 microsecond',
        '-infinity')
  WHERE digest = who
$$;

-- Both places of an attempt, always in this order: of the address, then of the account or of the
-- name that nobody has. One without the other is none.
CREATE FUNCTION mcp_begin_attempt(
  who text, tries bigint, spans bigint, wanted text, given bytea,
  most bigint, lasts bigint, holds bigint, instant timestamptz)
RETURNS TABLE (account users, admitted text, place timestamptz, verdict text, moment timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
  here record;
  login record;
  nobody bytea;
BEGIN
  SELECT * INTO here FROM mcp_take_address(who, tries, spans, holds, instant);
  admitted := here.admitted;
  place := here.moment;
  IF admitted <> 'reserved' THEN RETURN NEXT; RETURN; END IF;
  SELECT * INTO login FROM mcp_find_login(wanted, most, lasts, holds, instant);
  IF FOUND THEN
    account := login.account;
  ELSE
    nobody := mcp_nobody_digest(given);
    SELECT * INTO login
    FROM mcp_take_place(mcp_lock_nobody(nobody, instant), most, lasts, holds, instant);
    PERFORM mcp_keep_nobody(nobody, login.kept, holds);
  END IF;
  verdict := login.verdict;
  moment := login.moment;
  IF verdict = 'wait' THEN
    admitted := 'wait';
    PERFORM mcp_free_address(who, place);
  END IF;
  RETURN NEXT;
END $$;

-- `wanted` is NULL where nobody has the name, `ticket` where it is locked.
CREATE FUNCTION mcp_fail_attempt(
  who text, place timestamptz, tries bigint, spans bigint, wanted text, made timestamptz,
  given bytea, ticket timestamptz, most bigint, lasts bigint, holds bigint, instant timestamptz)
RETURNS TABLE (outcome text, failures integer, lock timestamptz) LANGUAGE plpgsql AS $$
DECLARE
  durable text := current_setting('synchronous_commit');
  nobody bytea;
  taken record;
BEGIN
  PERFORM mcp_fail_address(who, place, tries, spans, holds, instant);
  outcome := 'ignored';
  IF ticket IS NULL THEN RETURN NEXT; RETURN; END IF;
  IF wanted IS NOT NULL THEN
    -- A lock of an account is durable.
    PERFORM set_config('synchronous_commit', durable, true);
    RETURN QUERY SELECT * FROM mcp_fail_login(wanted, made, ticket, most, lasts, holds, instant);
    RETURN;
  END IF;
  nobody := mcp_nobody_digest(given);
  SELECT * INTO taken
  FROM mcp_take_failure(mcp_lock_nobody(nobody, instant), ticket, most, lasts, holds, instant);
  PERFORM mcp_keep_nobody(nobody, taken.kept, holds);
  RETURN QUERY SELECT taken.outcome, taken.failures, taken.lock;
END $$;

CREATE FUNCTION mcp_withdraw_attempt(
  who text, place timestamptz, wanted text, made timestamptz, given bytea, ticket timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM mcp_free_address(who, place);
  IF wanted IS NOT NULL THEN
    PERFORM mcp_withdraw_login(wanted, made, ticket);
  ELSE
    UPDATE mcp_nobody SET reserved = array_remove(reserved, ticket)
    WHERE digest = mcp_nobody_digest(given) AND ticket = ANY (reserved);
  END IF;
END $$;

CREATE FUNCTION mcp_open_attempt(
  wanted text, made timestamptz, checked text, stronger text, ticket timestamptz,
  lasts bigint, holds bigint, room bigint, instant timestamptz,
  session text, token text, begins timestamptz, ends timestamptz, used timestamptz, address text, agent text,
  scope text, who text, place timestamptz)
RETURNS TABLE (outcome text, lock timestamptz, ended text[]) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM mcp_free_address(who, place);
  RETURN QUERY SELECT * FROM mcp_open_session(wanted, made, checked, stronger, ticket, lasts, holds, room,
    instant, session, token, begins, ends, used, address, agent, scope);
END $$;

-- Forgets what says nothing any more; and of what is more than may be remembered, what refuses
-- nobody first, oldest first. A row that holds a place is never forgotten. Several servers may do
-- so at once: each takes what no other has taken.
CREATE FUNCTION mcp_sweep_attempts(keys bigint, instant timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  swept bigint := 0;
  gone bigint;
BEGIN
  DELETE FROM mcp_addresses WHERE address IN (
    SELECT address FROM mcp_addresses WHERE over_at <= instant FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  swept := swept + gone;
  DELETE FROM mcp_nobody WHERE digest IN (
    SELECT digest FROM mcp_nobody WHERE over_at <= instant FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  swept := swept + gone;
  DELETE FROM mcp_addresses WHERE address IN (
    SELECT address FROM mcp_addresses WHERE cardinality(reserved) = 0
    ORDER BY refused_until IS NOT NULL, over_at
    LIMIT greatest((SELECT count(*) FROM mcp_addresses) - keys, 0) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  swept := swept + gone;
  DELETE FROM mcp_nobody WHERE digest IN (
    SELECT digest FROM mcp_nobody WHERE cardinality(reserved) = 0
    ORDER BY locked_until IS NOT NULL, last_failed_at
    LIMIT greatest((SELECT count(*) FROM mcp_nobody) - keys, 0) FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN swept + gone;
END $$;
