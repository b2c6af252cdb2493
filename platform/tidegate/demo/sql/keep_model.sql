-- Records a trained model; the same depth and seed train the same model, so the newer row replaces the older.
INSERT INTO shop.models (depth, seed, score, file) VALUES (%(depth)s, %(seed)s, %(score)s, %(file)s)
ON CONFLICT (depth, seed) DO UPDATE SET score = excluded.score, file = excluded.file, trained_at = now()
