-- What was said, over all sites: one row for equal words, with the quotes that are a cut of them (at least six of its
-- words in a row). quotes counts the equal ones, near_quotes the cuts; articles and domains count both.
CREATE VIEW utterances AS
WITH said AS (
  SELECT utterance_id, min(text) AS text,
    regexp_extract_all(lower(min(text)), '[\p{L}\p{N}]+') AS words
  FROM quotes_latest GROUP BY utterance_id
),
worded AS (SELECT *, ' ' || array_to_string(words, ' ') || ' ' AS line FROM said),
starts AS (
  SELECT utterance_id, line, len(words) AS length, array_to_string(words[1:6], ' ') AS six
  FROM worded
),
pieces AS (
  SELECT utterance_id, line, len(words) AS length,
    unnest(list_transform(range(1, len(words) - 4), lambda n: array_to_string(words[n:n + 5], ' '))) AS six
  FROM worded WHERE len(words) > 6
),
cuts AS (
  SELECT starts.utterance_id, max({'length': pieces.length, 'utterance_id': pieces.utterance_id}).utterance_id AS whole
  FROM starts JOIN pieces USING (six)
  WHERE pieces.length > starts.length AND contains(pieces.line, starts.line)
  GROUP BY starts.utterance_id
)
SELECT
  worded.utterance_id, worded.text,
  count(*) FILTER (cuts.whole IS NULL) AS quotes, count(*) FILTER (cuts.whole IS NOT NULL) AS near_quotes,
  count(DISTINCT quotes_latest.article_id) AS articles, count(DISTINCT quotes_latest.domain) AS domains,
  list_sort(list(DISTINCT quotes_latest.speaker_name) FILTER (quotes_latest.speaker_name IS NOT NULL)) AS speakers,
  min(quotes_latest.published_at) AS first_published_at, max(quotes_latest.published_at) AS last_published_at,
  list_sort(list(DISTINCT quotes_latest.text) FILTER (cuts.whole IS NOT NULL)) AS cuts
FROM quotes_latest
LEFT JOIN cuts USING (utterance_id)
JOIN worded ON worded.utterance_id = coalesce(cuts.whole, quotes_latest.utterance_id)
GROUP BY worded.utterance_id, worded.text;
