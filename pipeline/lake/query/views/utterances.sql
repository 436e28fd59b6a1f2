-- Equal words over all sites: one row per utterance, with the quotes that are an excerpt of it (at least six consecutive
-- words). quotes counts the equal quotes, near_quotes the excerpts; articles and domains count both.
CREATE VIEW utterances AS
WITH spoken AS (
  SELECT utterance_id, min(text) AS text,
    regexp_extract_all(lower(min(text)), '[\p{L}\p{N}]+') AS words
  FROM quotes_latest GROUP BY utterance_id
),
normalized AS (SELECT *, ' ' || array_to_string(words, ' ') || ' ' AS line FROM spoken),
starts AS (
  SELECT utterance_id, line, len(words) AS length, array_to_string(words[1:6], ' ') AS six
  FROM normalized
),
pieces AS (
  SELECT utterance_id, line, len(words) AS length,
    unnest(list_transform(range(1, len(words) - 4), lambda n: array_to_string(words[n:n + 5], ' '))) AS six
  FROM normalized WHERE len(words) > 6
),
cuts AS (
  SELECT starts.utterance_id, max({'length': pieces.length, 'utterance_id': pieces.utterance_id}).utterance_id AS whole
  FROM starts JOIN pieces USING (six)
  WHERE pieces.length > starts.length AND contains(pieces.line, starts.line)
  GROUP BY starts.utterance_id
)
SELECT
  normalized.utterance_id, normalized.text,
  count(*) FILTER (cuts.whole IS NULL) AS quotes, count(*) FILTER (cuts.whole IS NOT NULL) AS near_quotes,
  count(DISTINCT quotes_latest.article_id) AS articles, count(DISTINCT quotes_latest.domain) AS domains,
  list_sort(list(DISTINCT quotes_latest.speaker_name) FILTER (quotes_latest.speaker_name IS NOT NULL)) AS speakers,
  min(quotes_latest.published_at) AS first_published_at, max(quotes_latest.published_at) AS last_published_at,
  list_sort(list(DISTINCT quotes_latest.text) FILTER (cuts.whole IS NOT NULL)) AS cuts
FROM quotes_latest
LEFT JOIN cuts USING (utterance_id)
JOIN normalized ON normalized.utterance_id = coalesce(cuts.whole, quotes_latest.utterance_id)
GROUP BY normalized.utterance_id, normalized.text;
