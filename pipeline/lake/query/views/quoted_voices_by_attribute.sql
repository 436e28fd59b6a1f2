-- The share of speakers of reported speech by an attribute from the user's gazetteer: one row per attribute and value. A speaker is
-- matched by the identifier of its entity, or else by its name. The value is null for named speakers that are not in the
-- gazetteer, so that the shares of an attribute add up to 1.
CREATE VIEW quoted_voices_by_attribute AS
WITH voices AS (
  SELECT lower(speaker_name) AS name, kb_id, count(*) AS quotes, count(DISTINCT utterance_id) AS utterances
  FROM quotes_latest
  LEFT JOIN (SELECT entity_id, kb_id FROM entities_latest) ON entity_id = speaker_entity_id
  WHERE is_speech AND speaker_name IS NOT NULL GROUP BY ALL
),
by_id AS (SELECT kb_id, attribute, min(value) AS value FROM gazetteer WHERE kb_id IS NOT NULL GROUP BY ALL),
by_name AS (SELECT lower(name) AS name, attribute, min(value) AS value FROM gazetteer WHERE name IS NOT NULL GROUP BY ALL),
attributed AS (
  SELECT attributes.attribute, coalesce(by_id.value, by_name.value) AS value, coalesce(voices.kb_id, voices.name) AS voice,
    voices.quotes, voices.utterances
  FROM voices CROSS JOIN (SELECT DISTINCT attribute FROM gazetteer) AS attributes
  LEFT JOIN by_id ON by_id.kb_id = voices.kb_id AND by_id.attribute = attributes.attribute
  LEFT JOIN by_name ON by_name.name = voices.name AND by_name.attribute = attributes.attribute
),
counted AS (
  SELECT attribute, value, count(DISTINCT voice) AS voices, sum(quotes)::BIGINT AS quotes,
    sum(utterances)::BIGINT AS utterances
  FROM attributed GROUP BY ALL
)
SELECT *,
  voices / sum(voices) OVER (PARTITION BY attribute) AS share_of_voices,
  quotes / sum(quotes) OVER (PARTITION BY attribute) AS share_of_quotes
FROM counted;
