-- Dates that no calendar of Python has, and a meta that is no object, would stop a queue at its claim: nobody gets them in by hand.
UPDATE tidegate.jobs
SET run_at = greatest(least(run_at, '9999-12-30+00'), '0001-01-02+00'),
    enqueued_at = greatest(least(enqueued_at, '9999-12-30+00'), '0001-01-02+00'),
    meta = CASE WHEN json_typeof(meta) = 'object' THEN meta END
WHERE run_at NOT BETWEEN '0001-01-02+00' AND '9999-12-30+00' OR enqueued_at NOT BETWEEN '0001-01-02+00' AND '9999-12-30+00'
    OR json_typeof(meta) <> 'object';
ALTER TABLE tidegate.jobs
    ADD CONSTRAINT jobs_dates_sane CHECK (
        run_at BETWEEN '0001-01-02+00' AND '9999-12-30+00' AND enqueued_at BETWEEN '0001-01-02+00' AND '9999-12-30+00'
    ),
    ADD CONSTRAINT jobs_meta_is_object CHECK (json_typeof(meta) = 'object');
