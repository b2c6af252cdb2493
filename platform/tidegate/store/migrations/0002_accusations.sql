-- What a node said when it ended itself because a job blocked its event loop: {"jobs": [id, ...], "why": text, "stack": text}.
-- With it, only these jobs count as crashed; NULL: the node was lost without a word, and all of its jobs do.
ALTER TABLE tidegate.nodes ADD COLUMN accusation json;
