-- audit_list.sql: what was done by hand, the newest first.
SELECT id, at, actor, action, subject::text AS subject, why FROM tidegate.audit
WHERE %(actions)s::text[] IS NULL OR action = ANY (%(actions)s::text[])
ORDER BY id DESC LIMIT %(n)s
