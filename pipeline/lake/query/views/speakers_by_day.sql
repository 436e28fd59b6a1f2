-- Reported speech per speaker and day of publication (the date of the run if the page has no date): one row per speaker and day.
-- Beliefs, intentions and other attitudes are not counted. utterances counts equal words once, even if several sites published them.
CREATE VIEW speakers_by_day AS
SELECT
  coalesce(published_at::DATE, run_date) AS day, speaker_name, mode(speaker_role) AS speaker_role,
  count(*) AS quotes, count(DISTINCT utterance_id) AS utterances,
  count(DISTINCT article_id) AS articles, count(DISTINCT domain) AS domains
FROM quotes_latest WHERE is_speech AND speaker_name IS NOT NULL
GROUP BY ALL;
