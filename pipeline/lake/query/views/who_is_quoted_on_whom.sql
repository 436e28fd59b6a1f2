-- Speakers and the entities that their reported speech mentions: one row per speaker and entity, without mentions of themselves.
CREATE VIEW who_is_quoted_on_whom AS
WITH naming AS (
  SELECT quote_id, article_id, domain, utterance_id, speaker_name, speaker_entity_id,
    unnest(mentioned_entity_ids) AS entity_id
  FROM quotes_latest WHERE is_speech AND speaker_name IS NOT NULL
)
SELECT
  speaker_name, entities_latest.name AS named, entities_latest.type AS named_type,
  count(*) AS quotes, count(DISTINCT utterance_id) AS utterances,
  count(DISTINCT naming.article_id) AS articles, count(DISTINCT naming.domain) AS domains
FROM naming JOIN entities_latest USING (entity_id)
WHERE entity_id IS DISTINCT FROM speaker_entity_id AND entities_latest.name <> speaker_name
GROUP BY ALL;
