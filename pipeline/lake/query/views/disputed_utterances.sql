-- Utterances of at least six words that are attributed to different speakers: one row per utterance. A surname and a full
-- name that ends with it count as the same speaker.
CREATE VIEW disputed_utterances AS
WITH named AS (
  SELECT utterance_id, min(text) AS text, list_sort(list(DISTINCT speaker_name)) AS speakers,
    count(*) AS quotes, count(DISTINCT article_id) AS articles, list_sort(list(DISTINCT domain)) AS domains
  FROM quotes_latest WHERE speaker_name IS NOT NULL
  GROUP BY utterance_id HAVING count(DISTINCT speaker_name) > 1
)
SELECT * FROM named
WHERE len(regexp_extract_all(text, '[\p{L}\p{N}]+')) >= 6
  AND len(list_filter(speakers, lambda one: len(list_filter(speakers, lambda other:
    ends_with(' ' || lower(one), ' ' || lower(other)) OR ends_with(' ' || lower(other), ' ' || lower(one))
  )) < len(speakers))) > 0;
