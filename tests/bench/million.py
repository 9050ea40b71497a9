"""A million tokens, made by the database itself: `DATABASE_URL=… python -m tests.bench.million [TOKENS]`.

All are of one account: a thousand members have a thousand each, a third of them living. Ten thousand are over and
nobody has said so, and of another ten thousand the owners are to be reminded.
"""

import os
import sys

import psycopg

TOKENS, PEOPLE, DUE = 1_000_000, 1_000, 10_000
MARK = "million-"

PEOPLE_ROWS = """
INSERT INTO profiles_user (password, is_superuser, is_staff, is_active, date_joined, email, name, time_zone)
SELECT '!', FALSE, FALSE, TRUE, now(), 'person' || n || '@million.example.com', 'Person ' || n, 'UTC'
FROM generate_series(1, %(people)s) n
"""
MEMBER_ROWS = """
INSERT INTO profiles_member (role, created_at, account_id, user_id)
SELECT 'member', now(), k.account_id, u.id FROM profiles_user u, profiles_toolkit k
WHERE u.email LIKE '%%@million.example.com' AND k.alias = 'bench' AND k.deleted_at IS NULL
"""
# Every third lives. Of these the first ten thousand are over, and the next ten thousand are due for a reminder.
TOKEN_ROWS = """
WITH people AS (
    SELECT array_agg(id ORDER BY id) AS ids FROM profiles_user WHERE email LIKE '%%@million.example.com'
), numbered AS (
    SELECT n, n %% 3 = 0 AS lives, n / 3 < %(due)s AS is_over, n / 3 < 2 * %(due)s AS is_due,
           now() - (n %% 18) * interval '1 day' AS issued_at, now() + (n %% 250000) * interval '1 second' AS later
    FROM generate_series(1, %(tokens)s) n
)
INSERT INTO tokens_delegatedtoken (
    public_id, digest, last_four, name, family, stage, issued_at, activated_at, expires_at, revoked_at, revoke_reason,
    revoke_note, last_used_at, account_id, owner_id, toolkit_id, next_look_at
)
SELECT 'm' || lpad(n::text, 11, '0'), encode(sha256((%(mark)s || n)::bytea), 'hex'), lpad((n %% 10000)::text, 4, '0'),
       'service ' || n, gen_random_uuid(), CASE WHEN lives THEN 'current' ELSE 'ended' END,
       issued_at - interval '1 hour', issued_at - interval '1 hour',
       CASE WHEN NOT lives THEN issued_at WHEN is_over THEN now() - interval '1 second' WHEN is_due
            THEN now() + interval '20 hours' ELSE later + interval '8 days' END,
       CASE WHEN n %% 3 = 1 THEN issued_at END, CASE WHEN n %% 3 = 1 THEN 'unneeded' ELSE '' END, '',
       now() - interval '1 hour', k.account_id, people.ids[1 + n %% %(people)s], k.id,
       CASE WHEN NOT lives OR is_over THEN NULL WHEN is_due THEN now() - interval '1 second'
            ELSE later + interval '1 day' END
FROM people, profiles_toolkit k, numbered WHERE k.alias = 'bench' AND k.deleted_at IS NULL
"""


def load(tokens: int) -> None:
    told = {"tokens": tokens, "people": PEOPLE, "due": DUE, "mark": MARK}
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        for statement in (PEOPLE_ROWS, MEMBER_ROWS, TOKEN_ROWS):
            database.execute(statement, told)
        database.execute("VACUUM ANALYZE tokens_delegatedtoken")
        database.execute("ANALYZE")


if __name__ == "__main__":
    load(int(sys.argv[1]) if sys.argv[1:] else TOKENS)
