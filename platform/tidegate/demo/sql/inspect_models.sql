-- How many models there are, and the best of them.
SELECT count(*) OVER () AS trained, score AS best_score, depth AS best_depth FROM shop.models ORDER BY score DESC, depth, seed LIMIT 1
