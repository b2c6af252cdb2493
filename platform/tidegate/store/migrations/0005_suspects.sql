-- Jobs that were there when a node was lost, through whoever's fault (protocol L8): they are claimed apart from all others.
ALTER TABLE tidegate.jobs ADD COLUMN suspect boolean NOT NULL DEFAULT false;
CREATE INDEX jobs_suspect ON tidegate.jobs (queue, priority, seq) WHERE state = 'ready' AND suspect;
